// The verbs of `keepgate client`, and what they share. Thread rule: main thread.
#pragma once

#include <string_view>

#include "cli/server_store.h"
#include "crypto/json.h"
#include "oauth/stored_clients.h"

namespace keepgate::cli {

int run_client_create(int argc, char** argv);
int run_client_list(int argc, char** argv);
int run_client_show(int argc, char** argv);
int run_client_rotate_secret(int argc, char** argv);
int run_client_delete(int argc, char** argv);

// Of the store; "configuration" where that names it, whose word counts. Never a secret or its hash.
crypto::Json json_of(const oauth::StoredClient& stored);
crypto::Json json_of(const oauth::Client& client);

}  // namespace keepgate::cli
