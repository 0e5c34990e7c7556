// Until the pages are there: what is not built refuses.
#include "oauth/endpoints.h"

namespace keepgate::oauth {

namespace {
Answer not_built() { return answer_of({501, "temporarily_unavailable", "the pages for people are not built yet", {}}); }
}  // namespace

net::Task<Answer> serve_authorize(Context& /*context*/) { co_return not_built(); }
net::Task<Answer> serve_device_page(Context& /*context*/) { co_return not_built(); }
net::Task<Answer> serve_end_session(Context& /*context*/) { co_return not_built(); }
net::Task<Answer> serve_style(Context& /*context*/) { co_return not_built(); }

}  // namespace keepgate::oauth
