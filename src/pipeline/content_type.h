// What type and charset our own texts have: nginx's types, default_type and charset.
//
// Thread rule: pure functions. What they return points into the location, the arena or program text.
#pragma once

#include <string_view>

#include "base/arena.h"
#include "pipeline/location.h"

namespace keepgate::pipeline {

// By the extension of the path; without one, or an unknown one: default_type.
std::string_view content_type_of(const LocationConfig& location, std::string_view path);
// "text/html" → "text/html; charset=utf-8" where the location names one for it.
std::string_view with_charset(const LocationConfig& location, std::string_view type, Arena& arena);

}  // namespace keepgate::pipeline
