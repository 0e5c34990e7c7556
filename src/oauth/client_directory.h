// ClientDirectory: the clients of the store, as the running server knows them.
//
// Thread rule: built by one thread, then immutable; a changed copy shares all that did not change. Bounds: those of the
// store (stored_clients_max). Cost: find() a look-up; change() that of the changes, and of a part in parts_max of all.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "oauth/client.h"
#include "store/database.h"

namespace keepgate::oauth {

struct ClientChange {
  std::string id;
  std::shared_ptr<const Client> client;  // Nothing: there is none of this id.
};

class ClientDirectory {
 public:
  static constexpr std::size_t parts_max = 1024;

  void change(std::span<const ClientChange> changes);

  std::shared_ptr<const Client> find(const std::string& id) const;  // Nothing: there is none.
  // May pages from there read answers (add_origins)? In lower case.
  bool has_origin(const std::string& origin) const;
  std::size_t size() const { return size_; }

  std::int64_t version = 0;  // Of the store's clients.

 private:
  template <typename T>
  using Part = std::unordered_map<std::string, T>;
  template <typename T>
  using Parts = std::array<std::shared_ptr<const Part<T>>, parts_max>;

  Parts<std::shared_ptr<const Client>> clients_;
  Parts<std::uint32_t> origins_;  // How many clients name it.
  std::size_t size_ = 0;
};

// What is in the store: `before` and what changed behind it, or all of it (nullptr, or one that is too old). A client
// that cannot be used is left out, and the log says so.
Result<std::shared_ptr<const ClientDirectory>> load_clients(store::Database& database, const ClientDirectory* before);

}  // namespace keepgate::oauth
