// Flow: what a form carries from one page to the next: the request that goes on behind it, and how far it has come.
//
// It is sealed under a key of the server's for one browser, so that nobody reads or changes it and no other browser
// goes on with it; nothing is stored. It may be sent again: whatever must happen once is decided by the store. Thread
// rule: plain values and pure functions. Bounds: flow_parameters_bytes_max, flow_lifetime_s.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oauth/form_token.h"
#include "oauth/pages.h"
#include "oauth/visit.h"

namespace keepgate::oauth {

inline constexpr std::size_t flow_parameters_bytes_max = 12 * 1024;
inline constexpr std::int64_t flow_lifetime_s = form_token_lifetime_s;

struct Flow {
  FormPurpose stage = FormPurpose::none;  // The form that it stands in.
  std::string target;                     // The endpoint that goes on: "/authorize", "/device", "/end-session".
  std::string parameters;                 // Of the request there, encoded.
  std::string pushed;                     // Hash of the request_uri that they came by.
  std::string user, proof;                // In second_factor: whose password was right, and which one it was.
  std::string session;                    // In consent and later: the session that the page was made for.
  std::string shown;                      // In consent: names what the page asked for (authorize.cc).
  std::int64_t made_s = 0;
};

std::string seal_flow(std::string_view key, std::string_view browser, const Flow& flow);
// Nothing: it is none, or of another browser or key. Whether its time is over is another question.
std::optional<Flow> open_flow(std::string_view key, std::string_view browser, std::string_view sealed);
bool is_current(const Flow& flow, std::int64_t wall_s);

// The hidden fields of a form; they borrow it.
class CarriedFlow {
 public:
  CarriedFlow(const Visit& visit, Flow flow);
  CarriedFlow(const Visit& visit, Flow flow, std::int64_t made_s);  // One that is shown again grows no younger.
  CarriedFlow(const CarriedFlow&) = delete;
  CarriedFlow& operator=(const CarriedFlow&) = delete;
  PageForm form(Problem problem = Problem::none, std::int64_t retry_after_s = 0) const {
    return {target_, fields_, problem, retry_after_s};
  }

 private:
  std::string target_, sealed_, token_;
  std::array<HiddenField, 2> fields_;
};

namespace field {
inline constexpr std::string_view flow = "flow", token = "form_token";
}  // namespace field

// The flow of the form that was sent, if it is one of ours for `target`. Failure: "bad_form" with a page that says so,
// or "stale_form".
enum class FormFault : std::uint8_t { none = 0, bad, stale };
struct SentForm {
  FormFault fault = FormFault::bad;
  Flow flow;
};
SentForm read_form(const Visit& visit, std::string_view target);
Answer form_fault_page(const Visit& visit, FormFault fault);

}  // namespace keepgate::oauth
