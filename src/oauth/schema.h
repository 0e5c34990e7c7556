// The tables of the authorization server, as migrations: what a signature does not prove (design: the store).
//
// Rules: one text for SQLite and PostgreSQL; a migration that was released is never changed, only followed by another.
// Secrets that others keep (codes, tokens, cookies) are here as SHA-256; our own (keys, second factors) are sealed.
#pragma once

#include <span>

#include "store/migrations.h"

namespace keepgate::oauth {

std::span<const store::Migration> schema();

}  // namespace keepgate::oauth
