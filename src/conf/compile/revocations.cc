// revocations: the file of what is taken back, followed over reloads.
#include "base/clock.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "store/revocation_file.h"

namespace keepgate::conf {

// Without its list a gateway would let in whom it was written against: a file that cannot be used is an error, at the
// start and at a reload. Only when it breaks later does the last good list go on.
void Compiler::compile_revocations() {
  if (!model_.revocations) return;
  const std::string path = configuration_path(model_.revocations->text);
  const auto& before = options_.previous ? options_.previous->revocation_file : nullptr;
  const auto file = before && before->path() == path ? before : std::make_shared<store::RevocationFile>(path);
  file->refresh(Now::read());
  if (const std::string failure = file->failure(); !failure.empty()) {
    return error(code::unusable_revocations, failure, model_.revocations->at,
                 "a line each: sub|jti|client|kid|key NAME [iss=ISSUER] [before=TIME] [until=TIME]");
  }
  out_->revocation_file = file;
  out_->revocations = std::shared_ptr<const Published<auth::RevocationList>>(file, &file->list());
}

}  // namespace keepgate::conf
