#include "auth/http_signature.h"

#include <algorithm>
#include <optional>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/signature.h"

namespace keepgate::auth {

namespace {

using http::BareItem;
using http::BareKind;
using http::StructuredDictionary;
using http::StructuredMember;

std::unexpected<Error> bad_signature(std::string detail) {
  return fail(ErrorKind::refused, Blame::client, signature_error, std::move(detail));
}

Result<StructuredDictionary> read_field(const http::RequestHead& head, std::string_view name) {
  std::string text;
  joined_field(head, name, text);
  auto parsed = http::parse_dictionary(text);
  if (!parsed) return bad_signature(cat(name, ": ", parsed.error().detail));
  if (parsed->size() > signatures_max) return bad_signature(cat("more than ", signatures_max, " signatures"));
  return parsed;
}

// A parameter of Signature-Input as a string; nothing if it is absent. Another type: refused.
Result<std::optional<std::string_view>> text_parameter(const StructuredMember& input, std::string_view name) {
  const BareItem* value = input.item.find(name);
  if (value == nullptr) return std::nullopt;
  if (value->kind != BareKind::string) return bad_signature(cat("parameter '", name, "' is no string"));
  return std::string_view(value->text);
}

Result<std::optional<std::int64_t>> time_parameter(const StructuredMember& input, std::string_view name) {
  const BareItem* value = input.item.find(name);
  if (value == nullptr) return std::nullopt;
  if (value->kind != BareKind::integer || value->integer < 0)
    return bad_signature(cat("parameter '", name, "' is no time"));
  return value->integer;
}

bool has_key(const crypto::KeySet& keys, std::string_view id) {
  return !id.empty() && std::ranges::any_of(keys.keys, [&](const auto& key) { return key->id() == id; });
}

// The one that counts: of the location's label and tag, and where several are left, the one by a key that we know. A
// request that passed a signing proxy has more than one.
Result<const StructuredMember*> choose(const StructuredDictionary& inputs, const SignatureOptions& options) {
  std::vector<const StructuredMember*> left;
  for (const StructuredMember& input : inputs) {
    if (!options.label.empty() && input.key != options.label) continue;
    const auto tag = text_parameter(input, "tag");
    if (!tag) return std::unexpected(tag.error());
    if (!options.tag.empty() && *tag != options.tag) continue;
    left.push_back(&input);
  }
  if (left.size() > 1) {
    std::erase_if(left, [&](const StructuredMember* input) {
      const BareItem* id = input->item.find("keyid");
      return id == nullptr || id->kind != BareKind::string || !has_key(*options.keys, id->text);
    });
    if (left.size() != 1) return bad_signature("several signatures, and nothing says which one counts");
  }
  if (left.empty()) return bad_signature("no signature with the label and tag that are asked for");
  return left.front();
}

// Does one component say at least what the demanded one says? @target-uri and @request-target contain others.
bool says(std::string_view covered, std::string_view demanded) {
  if (covered == demanded) return true;
  const bool is_target = demanded == "\"@path\"" || demanded == "\"@query\"";
  if (covered == "\"@request-target\"") return is_target;
  if (covered == "\"@target-uri\"") {
    return is_target || demanded == "\"@authority\"" || demanded == "\"@scheme\"" || demanded == "\"@request-target\"";
  }
  // A field byte by byte is all of the field.
  return !demanded.starts_with("\"@") && covered == cat(demanded, ";bs");
}

Result<void> check_covered(const StructuredMember& input, const SignedRequest& request,
                           const SignatureOptions& options) {
  std::vector<std::string> covered;
  for (const http::StructuredItem& item : input.items) covered.push_back(http::write_item(item));
  std::vector<std::string> demanded = options.components;
  if (options.covers_body && has_body(request.head)) demanded.emplace_back("\"content-digest\"");
  for (const std::string& one : demanded) {
    if (std::ranges::none_of(covered, [&](const std::string& other) { return says(other, one); })) {
      return bad_signature(cat("it does not cover ", one));
    }
  }
  return {};
}

// One member of the field (;key) would leave the others to whoever is on the way, and one of them might be believed.
Result<bool> covers_content_digest(const StructuredMember& input) {
  bool covers = false;
  for (const http::StructuredItem& one : input.items) {
    if (one.value.text != "content-digest") continue;
    if (one.find("key") != nullptr) return bad_signature("content-digest is covered by one key only");
    covers = true;
  }
  return covers;
}

Result<std::int64_t> check_times(const StructuredMember& input, const SignatureOptions& options, Now now) {
  const auto created = time_parameter(input, "created");
  if (!created) return std::unexpected(created.error());
  if (!*created) return bad_signature("it does not say when it was created");
  const auto expires = time_parameter(input, "expires");
  if (!expires) return std::unexpected(expires.error());
  if (now.wall_ms < (**created - options.leeway_s) * 1000) return bad_signature("created in the future");
  std::int64_t end_s = **created + options.max_age_s + options.leeway_s;
  if (*expires) {
    if (**expires <= **created) return bad_signature("it expires before it was created");
    end_s = std::min(end_s, **expires + options.leeway_s);
  }
  if (now.wall_ms >= end_s * 1000) return bad_signature("too old, or expired");
  return end_s;
}

// Exactly one key of that name, whose algorithm is what the signature says, if it says one.
Result<const crypto::Key*> find_key(const StructuredMember& input, const SignatureOptions& options) {
  const auto id = text_parameter(input, "keyid");
  if (!id) return std::unexpected(id.error());
  const auto algorithm = text_parameter(input, "alg");
  if (!algorithm) return std::unexpected(algorithm.error());
  if (!*id || (*id)->empty()) return bad_signature("no keyid");
  const crypto::Key* found = nullptr;
  bool is_known = false;
  for (const auto& key : options.keys->keys) {
    if (key->id() != **id) continue;
    is_known = true;
    const std::string_view its_own = signature_algorithm(*key);
    if (its_own.empty() || (*algorithm && **algorithm != its_own)) continue;
    if (found) return bad_signature("several keys of this keyid, and no alg says which");
    found = key.get();
  }
  if (found) return found;
  return bad_signature(is_known ? "the key's algorithm is another one" : cat("no key '", printable(**id, 60), "'"));
}

Result<std::string> signature_bytes(const StructuredDictionary& signatures, std::string_view label) {
  const auto found = std::ranges::find_if(signatures, [&](const auto& one) { return one.key == label; });
  if (found == signatures.end()) return bad_signature("Signature-Input without its Signature");
  if (found->is_list || found->item.value.kind != BareKind::bytes)
    return bad_signature("Signature is no byte sequence");
  auto bytes = crypto::base64_decode(found->item.value.text);
  if (!bytes || bytes->empty()) return bad_signature("Signature is no base64");
  return *bytes;
}

// Every signature has its input and every input its signature: half of one is somebody's mistake, or a trick.
bool have_same_labels(const StructuredDictionary& a, const StructuredDictionary& b) {
  return a.size() == b.size() && std::ranges::all_of(a, [&](const StructuredMember& one) {
           return std::ranges::any_of(b, [&](const StructuredMember& other) { return other.key == one.key; });
         });
}

}  // namespace

std::string_view signature_algorithm(const crypto::Key& key) {
  using crypto::Algorithm;
  switch (key.algorithm()) {
    case Algorithm::ps512:
      return "rsa-pss-sha512";
    case Algorithm::rs256:
      return "rsa-v1_5-sha256";
    case Algorithm::hs256:
      return "hmac-sha256";
    case Algorithm::es256:
      return "ecdsa-p256-sha256";
    case Algorithm::es384:
      return "ecdsa-p384-sha384";
    case Algorithm::eddsa:
      return crypto::is_ed25519(key) ? "ed25519" : "";
    default:
      return "";
  }
}

bool has_body(const http::RequestHead& head) {
  return head.framing == http::BodyFraming::chunked ||
         (head.framing == http::BodyFraming::content_length && head.content_length > 0);
}

Result<std::vector<std::string>> parse_components(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    const std::size_t name_end = one.find(';');
    const auto item =
        http::parse_item(cat('"', one.substr(0, name_end), '"', name_end == one.npos ? "" : one.substr(name_end)));
    const bool is_named = item && !item->value.text.empty() &&
                          std::ranges::none_of(item->value.text, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!is_named || out.size() == components_max) {
      return fail(ErrorKind::configuration, Blame::configuration, "bad_component", std::string(printable(one, 80)));
    }
    out.push_back(http::write_item(*item));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

bool is_signed(const http::RequestHead& head) {
  return head.find("Signature-Input") != nullptr || head.find("Signature") != nullptr;
}

Result<VerifiedSignature> verify_signature(const SignedRequest& request, const SignatureOptions& options, Now now) {
  const auto inputs = read_field(request.head, "Signature-Input");
  if (!inputs) return std::unexpected(inputs.error());
  const auto signatures = read_field(request.head, "Signature");
  if (!signatures) return std::unexpected(signatures.error());
  if (!have_same_labels(*inputs, *signatures)) return bad_signature("Signature and Signature-Input have other labels");
  const auto chosen = choose(*inputs, options);
  if (!chosen) return std::unexpected(chosen.error());
  const StructuredMember& input = **chosen;
  if (!input.is_list) return bad_signature("Signature-Input is no list of components");
  const auto end_s = check_times(input, options, now);
  if (!end_s) return std::unexpected(end_s.error());
  if (const auto done = check_covered(input, request, options); !done) return std::unexpected(done.error());
  const auto nonce = text_parameter(input, "nonce");
  if (!nonce) return std::unexpected(nonce.error());
  if (options.once && nonce->value_or("").empty()) return bad_signature("no nonce");
  const auto key = find_key(input, options);
  if (!key) return std::unexpected(key.error());
  if (!is_identity_text((*key)->id())) return bad_signature("the key's name may name nobody");
  const auto covers_digest = covers_content_digest(input);
  if (!covers_digest) return std::unexpected(covers_digest.error());
  const auto bytes = signature_bytes(*signatures, input.key);
  if (!bytes) return std::unexpected(bytes.error());
  const auto base = signature_base(input, request);
  if (!base) return std::unexpected(base.error());
  if (!crypto::signature_is_valid(**key, *base, *bytes)) return bad_signature("it does not verify");

  VerifiedSignature out;
  out.key_id = (*key)->id();
  out.nonce = nonce->value_or("");
  out.expires_s = *end_s;
  if (*covers_digest) joined_field(request.head, "content-digest", out.content_digest);
  return out;
}

}  // namespace keepgate::auth
