#include "oauth/next_step.h"

namespace keepgate::oauth {

namespace {

// max_age=0 is prompt=login (OpenID Connect Core §3.1.2.1). A session of the future is none: the clock was set back.
bool is_too_old(const StepFacts& facts) {
  if (!facts.max_age_s) return false;
  const std::int64_t age_s = facts.now_s - facts.session->authenticated_s;
  return age_s < 0 || age_s > *facts.max_age_s || *facts.max_age_s == 0;
}

}  // namespace

NextStep next_step(const StepFacts& facts) {
  const Prompt& prompt = facts.prompt;
  const bool is_other_user =
      facts.session && !facts.required_user.empty() && facts.session->user != facts.required_user;
  const bool asks_anew = !facts.is_fresh && (prompt.login || prompt.select_account);
  const bool needs_login = !facts.session || is_other_user || asks_anew || (!facts.is_fresh && is_too_old(facts));
  if (prompt.none && (needs_login || facts.hint_is_broken)) return NextStep::refuse_login;
  // Signed in just now, and as somebody else than the client asked for: it would go round for ever.
  if (is_other_user && facts.is_fresh) return NextStep::refuse_login;
  if (needs_login) return NextStep::sign_in;
  if (facts.is_consented && !prompt.consent) return NextStep::issue;
  return prompt.none ? NextStep::refuse_consent : NextStep::consent;
}

bool is_assured(const Client& client, std::string_view redirect_uri) {
  return client.is_confidential() || redirect_uri.starts_with("https://");
}

}  // namespace keepgate::oauth
