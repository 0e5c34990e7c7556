#include "oauth/schema.h"

namespace keepgate::oauth {

namespace {

// `versions` tells what has changed: whoever changes clients or revocations counts up in the same transaction.
constexpr std::string_view first_tables[] = {
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE versions (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    "INSERT INTO versions (name, value) VALUES ('clients', 1), ('revocations', 1)",

    R"(CREATE TABLE signing_keys (kid TEXT PRIMARY KEY, algorithm TEXT NOT NULL, wrapped TEXT NOT NULL,
        created_s BIGINT NOT NULL, signs_from_s BIGINT NOT NULL, signs_until_s BIGINT NOT NULL))",

    R"(CREATE TABLE clients (id TEXT PRIMARY KEY, document TEXT NOT NULL, created_s BIGINT NOT NULL,
        changed_s BIGINT NOT NULL))",

    // totp_sealed: the second factor's secret; totp_step: the last time step that was used.
    R"(CREATE TABLE users (name TEXT PRIMARY KEY, document TEXT NOT NULL, totp_sealed TEXT, created_s BIGINT NOT NULL,
        changed_s BIGINT NOT NULL))",
    "CREATE TABLE totp_steps (user_name TEXT PRIMARY KEY, step BIGINT NOT NULL)",

    R"(CREATE TABLE sessions (hash TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_name TEXT NOT NULL,
        methods TEXT NOT NULL, authenticated_s BIGINT NOT NULL, used_s BIGINT NOT NULL, expires_s BIGINT NOT NULL))",
    "CREATE INDEX sessions_user ON sessions (user_name)",
    "CREATE INDEX sessions_expires ON sessions (expires_s)",

    R"(CREATE TABLE consents (user_name TEXT NOT NULL, client TEXT NOT NULL, scopes TEXT NOT NULL,
        audience TEXT NOT NULL, granted_s BIGINT NOT NULL, PRIMARY KEY (user_name, client, audience)))",

    // A grant: what one consent or one device gave; the family of its refresh tokens.
    R"(CREATE TABLE grants (id TEXT PRIMARY KEY, client TEXT NOT NULL, subject TEXT NOT NULL, scopes TEXT NOT NULL,
        audience TEXT NOT NULL, facts TEXT NOT NULL, bound_key TEXT NOT NULL, session TEXT NOT NULL,
        created_s BIGINT NOT NULL, expires_s BIGINT NOT NULL, revoked_s BIGINT))",
    "CREATE INDEX grants_expires ON grants (expires_s)",
    "CREATE INDEX grants_subject ON grants (subject)",
    "CREATE INDEX grants_session ON grants (session)",

    R"(CREATE TABLE codes (hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
        challenge TEXT NOT NULL, nonce TEXT NOT NULL, bound_key TEXT NOT NULL, expires_s BIGINT NOT NULL,
        used_s BIGINT))",
    "CREATE INDEX codes_expires ON codes (expires_s)",
    "CREATE INDEX codes_grant ON codes (grant_id)",

    R"(CREATE TABLE refresh_tokens (hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, created_s BIGINT NOT NULL,
        expires_s BIGINT NOT NULL, used_s BIGINT))",
    "CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_s)",
    "CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id)",

    R"(CREATE TABLE pushed_requests (hash TEXT PRIMARY KEY, client TEXT NOT NULL, parameters TEXT NOT NULL,
        bound_key TEXT NOT NULL, expires_s BIGINT NOT NULL, used_s BIGINT))",
    "CREATE INDEX pushed_requests_expires ON pushed_requests (expires_s)",

    // state: 0 asked, 1 allowed, 2 refused, 3 its token was fetched.
    R"(CREATE TABLE device_codes (hash TEXT PRIMARY KEY, user_code TEXT NOT NULL UNIQUE, client TEXT NOT NULL,
        scopes TEXT NOT NULL, audience TEXT NOT NULL, state BIGINT NOT NULL, grant_id TEXT NOT NULL,
        interval_s BIGINT NOT NULL, polled_ms BIGINT NOT NULL, expires_s BIGINT NOT NULL))",
    "CREATE INDEX device_codes_expires ON device_codes (expires_s)",

    // Ids of assertions that may pass once.
    "CREATE TABLE replays (id TEXT PRIMARY KEY, expires_s BIGINT NOT NULL)",
    "CREATE INDEX replays_expires ON replays (expires_s)",

    // kind: as in the file of revocations; before_s 0: whenever it was issued.
    R"(CREATE TABLE revocations (kind TEXT NOT NULL, value TEXT NOT NULL, before_s BIGINT NOT NULL,
        until_s BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (kind, value)))",
    "CREATE INDEX revocations_until ON revocations (until_s)",
};

// What was added behind a version is found by it.
constexpr std::string_view revocations_by_version[] = {
    "CREATE INDEX revocations_version ON revocations (version)",
};

// A running server reads the clients that have changed, and no others. removed_clients: what is gone since then.
// The rest is for what goes by client: it is taken away with its grants and consents.
constexpr std::string_view clients_by_version[] = {
    "ALTER TABLE clients ADD COLUMN version BIGINT NOT NULL DEFAULT 0",
    "CREATE INDEX clients_version ON clients (version)",
    "CREATE TABLE removed_clients (id TEXT PRIMARY KEY, version BIGINT NOT NULL)",
    "CREATE INDEX removed_clients_version ON removed_clients (version)",
    "CREATE INDEX grants_client ON grants (client)",
    "CREATE INDEX consents_client ON consents (client)",
};

// Whose token it was that was taken back: nobody fills the list alone.
constexpr std::string_view revocations_by_owner[] = {
    "ALTER TABLE revocations ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX revocations_owner ON revocations (owner)",
};

constexpr store::Migration migrations[] = {
    {1, "first tables", first_tables},
    {2, "revocations by version", revocations_by_version},
    {3, "clients by version", clients_by_version},
    {4, "revocations by owner", revocations_by_owner},
};

}  // namespace

std::span<const store::Migration> schema() { return migrations; }

}  // namespace keepgate::oauth
