// The verbs of `keepgate user`, and what they share. Thread rule: main thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/server_store.h"
#include "crypto/json.h"
#include "oauth/stored_users.h"

namespace keepgate::cli {

int run_user_create(int argc, char** argv);
int run_user_list(int argc, char** argv);
int run_user_set_password(int argc, char** argv);
int run_user_enroll_totp(int argc, char** argv);
int run_user_disable(int argc, char** argv);
int run_user_enable(int argc, char** argv);
int run_user_delete(int argc, char** argv);

// Nothing: it was said why, and `code` is the exit code.
std::optional<oauth::StoredUser> find_user_of_store(ServerStore& store, std::string_view verb, const std::string& name,
                                                    int& code);
// In one transaction: the user as it is now, changed, and what `also` does. exit_ok, or the code after saying why.
int change_user_of_store(ServerStore& store, std::string_view verb, const std::string& name,
                         const std::function<void(oauth::User&)>& change, const store::Transactor::Job& also = {});
// Sessions, grants and tokens of the user end.
store::Transactor::Job sign_out_job(const std::string& name);

}  // namespace keepgate::cli
