#include "route/path_trie.h"

#include <algorithm>
#include <deque>

namespace keepgate::route {

namespace {

// Names [first, last) agree in their first `depth` bytes and belong below `node`.
struct Pending {
  std::size_t first, last, depth, node;
};

std::size_t common_length(std::string_view a, std::string_view b) {
  const auto [end_a, end_b] = std::ranges::mismatch(a, b);
  return static_cast<std::size_t>(end_a - a.begin());
}

}  // namespace

void PathTrie::build(std::vector<Name> names) {
  nodes_.clear();
  first_bytes_.clear();
  labels_.clear();
  if (names.empty()) return;
  std::ranges::sort(names, {}, &Name::text);
  nodes_.emplace_back();
  first_bytes_.push_back('\0');
  // Breadth first: this is what puts the children of a node side by side.
  std::deque<Pending> pending{{0, names.size(), 0, 0}};
  while (!pending.empty()) {
    const auto [first, last, depth, node] = pending.front();
    pending.pop_front();
    const std::string& shortest = names[first].text;
    const std::size_t end = common_length(shortest, names[last - 1].text);
    nodes_[node].label_start = static_cast<std::uint32_t>(labels_.size());
    nodes_[node].label_length = static_cast<std::uint32_t>(end - depth);
    labels_.append(shortest, depth, end - depth);
    std::size_t next = first;
    if (shortest.size() == end) nodes_[node].terminal = names[next++].terminal;
    nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (next < last) {
      const char byte = names[next].text[end];
      std::size_t group_end = next;
      while (group_end < last && names[group_end].text[end] == byte) ++group_end;
      pending.push_back({next, group_end, end, nodes_.size()});
      nodes_.emplace_back();
      first_bytes_.push_back(byte);
      ++nodes_[node].child_count;
      next = group_end;
    }
  }
}

}  // namespace keepgate::route
