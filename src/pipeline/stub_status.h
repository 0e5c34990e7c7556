// nginx's stub_status: a few figures as text, behind the access rules of its location.
// Thread rule: immutable; serve() runs on the worker of the exchange.
#pragma once

#include <memory>

#include "pipeline/content.h"

namespace keepgate::pipeline {

std::shared_ptr<const Content> make_stub_status();

}  // namespace keepgate::pipeline
