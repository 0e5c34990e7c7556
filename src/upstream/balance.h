// Balance: which server of a group is next: smooth weighted round robin, with passive failure counting as nginx has it.
//
// Thread rule: one worker's. Source: nginx's documentation of upstream (weight, max_fails, fail_timeout, backup, down).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "upstream/group.h"

namespace keepgate::upstream {

class Balance {
 public:
  explicit Balance(const Group& group);

  // The next server not in `tried` (one flag a server; empty: none was). Nothing when all were tried or are out.
  std::optional<std::size_t> pick(const std::vector<bool>& tried, std::int64_t now_ms);
  void succeeded(std::size_t server);
  void failed(std::size_t server, std::int64_t now_ms);

 private:
  struct State {
    std::int64_t current_weight = 0;
    unsigned fails = 0;
    std::int64_t failed_ms = 0;  // When it failed last.
  };
  bool usable(std::size_t server, const std::vector<bool>& tried, std::int64_t now_ms) const;
  std::optional<std::size_t> pick_among(bool backup, const std::vector<bool>& tried, std::int64_t now_ms);

  const Group& group_;
  std::vector<State> states_;
};

}  // namespace keepgate::upstream
