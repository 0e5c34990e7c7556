#include "oauth/flow.h"

#include "base/bytes.h"
#include "crypto/seal.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view seal_purpose = "flow ";
constexpr FormPurpose last_purpose = FormPurpose::sign_out;

std::string flow_key(const Visit& visit) { return visit.context.service.derived_key("flow"); }
std::string form_key(const Visit& visit) { return visit.context.service.derived_key("form"); }

FormContext form_context(const Visit& visit, const Flow& flow, std::string_view sealed) {
  return {flow.stage, visit.browser, sealed, flow.session};
}

}  // namespace

std::string seal_flow(std::string_view key, std::string_view browser, const Flow& flow) {
  Params out;
  out.add("stage", cat(static_cast<unsigned>(flow.stage)));
  out.add("target", flow.target);
  out.add("parameters", flow.parameters);
  out.add("pushed", flow.pushed);
  out.add("user", flow.user);
  out.add("proof", flow.proof);
  out.add("session", flow.session);
  out.add("shown", flow.shown);
  out.add("made", cat(flow.made_s));
  return crypto::seal(key, out.write(), cat(seal_purpose, browser));
}

std::optional<Flow> open_flow(std::string_view key, std::string_view browser, std::string_view sealed) {
  if (browser.empty() || sealed.empty()) return std::nullopt;
  const auto opened = crypto::open_sealed(key, sealed, cat(seal_purpose, browser));
  if (!opened) return std::nullopt;
  const auto read = Params::parse(opened->view());
  if (!read) return std::nullopt;
  const auto stage = parse_unsigned<unsigned>(read->get("stage"));
  const auto made = parse_unsigned<std::uint64_t>(read->get("made"));
  if (!stage || *stage > static_cast<unsigned>(last_purpose) || !made) return std::nullopt;
  Flow out;
  out.stage = static_cast<FormPurpose>(*stage);
  out.target = read->get("target");
  out.parameters = read->get("parameters");
  out.pushed = read->get("pushed");
  out.user = read->get("user");
  out.proof = read->get("proof");
  out.session = read->get("session");
  out.shown = read->get("shown");
  out.made_s = static_cast<std::int64_t>(*made);
  return out;
}

bool is_current(const Flow& flow, std::int64_t wall_s) {
  return wall_s >= flow.made_s && wall_s - flow.made_s < flow_lifetime_s;
}

CarriedFlow::CarriedFlow(const Visit& visit, Flow flow)
    : CarriedFlow(visit, std::move(flow), visit.context.now().wall_s()) {}

CarriedFlow::CarriedFlow(const Visit& visit, Flow flow, std::int64_t made_s) : target_(flow.target) {
  flow.made_s = made_s;
  sealed_ = seal_flow(flow_key(visit), visit.browser, flow);
  token_ = make_form_token(form_key(visit), form_context(visit, flow, sealed_), visit.context.now().wall_s());
  fields_ = {HiddenField{field::flow, sealed_}, HiddenField{field::token, token_}};
}

SentForm read_form(const Visit& visit, std::string_view target) {
  const Request& request = visit.context.request;
  SentForm out;
  if (visit.is_from_elsewhere() || !request.form.first_repeated().empty()) return out;
  const std::string_view sealed = request.form.get(field::flow);
  const std::int64_t wall_s = request.now.wall_s();
  auto flow = open_flow(flow_key(visit), visit.browser, sealed);
  if (!flow || flow->target != target) return out;
  const auto checked =
      check_form_token(form_key(visit), form_context(visit, *flow, sealed), request.form.get(field::token), wall_s);
  if (!checked) {
    if (checked.error().code == "stale_form") out.fault = FormFault::stale;
    return out;
  }
  if (!is_current(*flow, wall_s)) {
    out.fault = FormFault::stale;
    return out;
  }
  out.flow = std::move(*flow);
  out.fault = FormFault::none;
  return out;
}

Answer form_fault_page(const Visit& visit, FormFault fault) {
  constexpr std::uint16_t forbidden = 403, gone = 400;
  visit.context.exchange.refusal.reason = "the form is none of ours for this browser, or too old";
  return fault == FormFault::stale ? notice_answer(visit, Notice::error_expired, gone)
                                   : notice_answer(visit, Notice::error_form, forbidden);
}

}  // namespace keepgate::oauth
