#include "store/connection.h"

namespace keepgate::store {
std::unique_ptr<Connection> make_postgres_connection(const StoreAddress&) { return nullptr; }
}  // namespace keepgate::store
