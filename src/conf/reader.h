// From the tree of directives to the Model: looks each directive up in the tables, checks context and arguments, and
// calls its row. Everything that is wrong is reported; nothing is silently passed over.
//
// Thread rule: one owner. Lifetime: borrows the sources, the diagnostics and the model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/diagnostics.h"
#include "conf/model.h"
#include "conf/parser.h"

namespace keepgate::conf {

// Where a directive may stand: bits.
enum Context : std::uint32_t {
  context_none = 0,
  in_main = 1 << 0,
  in_events = 1 << 1,
  in_http = 1 << 2,
  in_server = 1 << 3,
  in_location = 1 << 4,
  in_upstream = 1 << 5,
  in_if = 1 << 6,
  in_limit_except = 1 << 7,
  in_stream = 1 << 8,
  in_authorization_server = 1 << 9,
  in_server_if = 1 << 10,
  in_oauth_client = 1 << 11,
  in_oauth_user = 1 << 12,
  in_levels = in_http | in_server | in_location,
};
std::string describe_contexts(std::uint32_t contexts);  // "http, server, location"

struct OauthClientModel;
struct OauthUserModel;

// What the block being read fills. Only what its context has is set.
struct Scope {
  Context context = in_main;
  LevelOptions* level = nullptr;
  ServerModel* server = nullptr;
  LocationModel* location = nullptr;
  UpstreamModel* upstream = nullptr;
  OauthClientModel* oauth_client = nullptr;
  OauthUserModel* oauth_user = nullptr;
  std::vector<StepModel>* steps = nullptr;  // Of the server, the location or the block of an `if`.
};

class Reader {
 public:
  Reader(const Sources& sources, Diagnostics& diagnostics, Model& model)
      : sources_(sources), diagnostics_(diagnostics), model_(model) {}

  void read(std::span<const Directive> block, const Scope& scope);
  Model& model() { return model_; }
  // Of one more server or location; the first over the bound is an error.
  bool count_level(const Directive& directive);

  void error(std::string_view code, std::string message, const Position& at, std::string help = {});
  void warning(std::string_view code, std::string message, const Position& at, std::string help = {});

  // The usual complaints, in one wording.
  void invalid_value(const Directive& directive, const Word& word, std::string help = {});
  void invalid_parameter(const Directive& directive, const Word& word, std::string help = {});
  void duplicate(const Directive& directive);
  void not_built(const Word& name, std::string_view what, std::string help = {});

  // Values of arguments; a bad one is reported.
  std::optional<bool> flag(const Directive& directive, std::size_t index = 0);
  std::optional<std::uint64_t> number(const Directive& directive, const Word& word, std::string_view text,
                                      std::uint64_t least, std::uint64_t most);
  std::optional<std::int64_t> time_ms(const Directive& directive, const Word& word, std::string_view text);
  std::optional<std::int64_t> time_s(const Directive& directive, const Word& word, std::string_view text);
  std::optional<std::uint64_t> size(const Directive& directive, const Word& word, std::string_view text);

 private:
  void read_one(const Directive& directive, const Scope& scope);
  void unknown(const Directive& directive);
  std::size_t column_of(const Position& at) const;
  bool semicolon_is_missing(const Directive& directive, const Scope& scope);
  bool full() const { return diagnostics_.all().size() >= Parser::complaints_max; }

  const Sources& sources_;
  Diagnostics& diagnostics_;
  Model& model_;
};

}  // namespace keepgate::conf
