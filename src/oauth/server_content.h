// The content of an authorization server's one location: from an exchange to a Request, to its endpoint, to the answer.
// Thread rule: immutable; serve() runs on the worker of the exchange.
#pragma once

#include <memory>

#include "oauth/service.h"
#include "oauth/settings.h"
#include "pipeline/content.h"

namespace keepgate::oauth {

std::shared_ptr<const pipeline::Content> make_server_content(std::shared_ptr<const Settings> settings,
                                                             std::shared_ptr<Service> service);

}  // namespace keepgate::oauth
