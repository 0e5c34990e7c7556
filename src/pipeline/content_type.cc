#include "pipeline/content_type.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::pipeline {

namespace {

// As nginx: what follows the last dot of the last segment, unless the segment begins with it.
std::string_view extension_of(std::string_view path) {
  const std::size_t mark = path.find_last_of("./");
  const bool is_extension = mark != std::string_view::npos && mark > 0 && path[mark] == '.' && path[mark - 1] != '/';
  return is_extension ? path.substr(mark + 1) : std::string_view();
}

}  // namespace

std::string_view content_type_of(const LocationConfig& location, std::string_view path) {
  const std::string_view extension = extension_of(path);
  if (extension.empty()) return location.default_type;
  if (!location.types) {  // nginx's, where no `types` is written.
    if (equals_ignoring_case(extension, "html")) return "text/html";
    if (equals_ignoring_case(extension, "gif")) return "image/gif";
    if (equals_ignoring_case(extension, "jpg")) return "image/jpeg";
    return location.default_type;
  }
  const auto found = location.types->find(to_lower(extension));
  return found == location.types->end() ? std::string_view(location.default_type) : std::string_view(found->second);
}

std::string_view with_charset(const LocationConfig& location, std::string_view type, Arena& arena) {
  constexpr std::string_view types[] = {
      "text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml"};
  if (location.charset.empty() || std::ranges::find(types, type) == std::end(types)) return type;
  return arena.join(type, std::string_view("; charset="), std::string_view(location.charset));
}

}  // namespace keepgate::pipeline
