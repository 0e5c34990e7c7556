#include "route/map.h"

#include <utility>

#include "route/host_table.h"

namespace keepgate::route {

struct Map::Impl {
  HostTable names;
  std::vector<Template> values;  // HostTable and `regexes` hold indexes into it.
  std::vector<std::pair<Regex, std::uint32_t>> regexes;
  Template default_value;
  bool has_default = false;

  std::uint32_t next_index() const { return static_cast<std::uint32_t>(values.size()); }
  bool keep(bool added, Template value) {
    if (added) values.push_back(std::move(value));
    return added;
  }
};

Map::Map() : impl_(std::make_unique<Impl>()) {}
Map::Map(Map&&) noexcept = default;
Map& Map::operator=(Map&&) noexcept = default;
Map::~Map() = default;

bool Map::add_exact(std::string_view key, Template value) {
  // One backslash in front makes a special name an ordinary one ("\default", "\~x"); others are part of the key.
  if (key.starts_with('\\')) key.remove_prefix(1);
  return impl_->keep(impl_->names.add_exact(key, impl_->next_index()), std::move(value));
}

bool Map::add_suffix(std::string_view key, Template value) {
  hostnames = true;
  return impl_->keep(impl_->names.add_suffix(key, impl_->next_index()), std::move(value));
}

bool Map::add_prefix(std::string_view key, Template value) {
  hostnames = true;
  return impl_->keep(impl_->names.add_prefix(key, impl_->next_index()), std::move(value));
}

void Map::add_regex(Regex regex, Template value) {
  impl_->regexes.emplace_back(std::move(regex), impl_->next_index());
  impl_->values.push_back(std::move(value));
}

bool Map::set_default(Template value) {
  if (impl_->has_default) return false;
  impl_->has_default = true;
  impl_->default_value = std::move(value);
  return true;
}

const Template& Map::lookup(std::string_view value, CaptureSink* sink) const {
  const Impl& own = *impl_;
  if (hostnames && value.ends_with('.')) value.remove_suffix(1);
  if (const auto index = own.names.find(value)) return own.values[*index];
  if (value.empty()) return own.default_value;
  for (const auto& [regex, index] : own.regexes) {
    const Regex::Match match = regex.match_for(value, sink);
    if (match == Regex::Match::yes) return own.values[index];
    if (match == Regex::Match::failed) break;  // As nginx: a failed match does not open the way to the next regex.
  }
  return own.default_value;
}

}  // namespace keepgate::route
