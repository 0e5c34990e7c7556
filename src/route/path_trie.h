// A compact radix trie over the prefix and exact locations of one level: one pass over the path, whatever their number.
// Nodes lie in one array, the children of a node side by side, their first bytes in one string that memchr searches.
// Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace keepgate::route {

class PathTrie {
 public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  // What stands at one name: the caller's numbers of the exact and of the prefix location, or none.
  struct Terminal {
    std::uint32_t exact = none;
    std::uint32_t prefix = none;
    bool empty() const { return exact == none && prefix == none; }
  };
  struct Name {
    std::string text;
    Terminal terminal;
  };

  // Names need not be sorted but must differ.
  void build(std::vector<Name> names);

  // Calls `visit(terminal, length, ends_path)` for each name that `path` starts with, shortest first, until the path
  // or the trie ends. `ends_path`: the name is the whole path. Returns the terminal of path + "/", if the trie has it.
  template <typename Visit>
  Terminal walk(std::string_view path, const Visit& visit) const;

 private:
  struct Node {
    std::uint32_t label_start = 0;  // In labels_.
    std::uint32_t label_length = 0;
    std::uint32_t first_child = 0;  // In nodes_, and in first_bytes_.
    std::uint32_t child_count = 0;
    Terminal terminal;
  };

  std::string_view label(const Node& node) const {
    return std::string_view(labels_).substr(node.label_start, node.label_length);
  }
  const Node* child(const Node& node, char first_byte) const {
    const std::string_view bytes = std::string_view(first_bytes_).substr(node.first_child, node.child_count);
    const std::size_t at = bytes.find(first_byte);
    return at == std::string_view::npos ? nullptr : &nodes_[node.first_child + at];
  }

  std::vector<Node> nodes_;  // The first is the root.
  std::string first_bytes_;  // first_bytes_[i] is the first byte of the label of nodes_[i].
  std::string labels_;
};

template <typename Visit>
PathTrie::Terminal PathTrie::walk(std::string_view path, const Visit& visit) const {
  const Node* node = nodes_.empty() ? nullptr : nodes_.data();
  std::size_t at = 0;
  while (node) {
    const std::string_view rest = path.substr(at);
    const std::string_view own = label(*node);
    if (!rest.starts_with(own)) {
      const bool is_path_with_slash = own.size() == rest.size() + 1 && own.back() == '/' && own.starts_with(rest);
      return is_path_with_slash ? node->terminal : Terminal{};
    }
    at += own.size();
    if (!node->terminal.empty()) visit(node->terminal, at, at == path.size());
    if (at == path.size()) {
      const Node* const slash = child(*node, '/');
      return slash && slash->label_length == 1 ? slash->terminal : Terminal{};
    }
    node = child(*node, path[at]);
  }
  return {};
}

}  // namespace keepgate::route
