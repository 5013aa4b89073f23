-- What an authorization server and an OAuth client keep. Tokens, codes and cookies stand here as SHA-256 only.

CREATE TABLE clients (
    client_id     TEXT    NOT NULL PRIMARY KEY CHECK (client_id <> ''),
    metadata      TEXT    NOT NULL CHECK (json_valid(metadata) AND json_type(metadata) = 'object'), -- RFC 7591 §2
    secret_sha256 BLOB    CHECK (length(secret_sha256) = 32),
    origin        TEXT    NOT NULL CHECK (origin IN ('operator', 'dynamic')),
    roles         TEXT    NOT NULL CHECK (json_valid(roles) AND json_type(roles) = 'array'),
    created_at_ms INTEGER NOT NULL CHECK (created_at_ms >= 0),                          -- since 1970-01-01T00:00:00Z
    expires_at_ms INTEGER CHECK (expires_at_ms >= 0)                                    -- exclusive
) STRICT;

-- A client that is known by its metadata document is in no row of its own, so nothing refers to `clients`.
CREATE TABLE grants (
    grant_id            TEXT    NOT NULL PRIMARY KEY CHECK (grant_id <> ''),
    client_id           TEXT    NOT NULL CHECK (client_id <> ''),
    user_id             TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    scopes              TEXT    NOT NULL CHECK (json_valid(scopes) AND json_type(scopes) = 'array'),
    resources           TEXT    NOT NULL CHECK (json_valid(resources) AND json_type(resources) = 'array'),
    details             TEXT    NOT NULL CHECK (details = '' OR json_valid(details)),
    authenticated_at_ms INTEGER NOT NULL CHECK (authenticated_at_ms >= 0),
    created_at_ms       INTEGER NOT NULL CHECK (created_at_ms >= 0),
    expires_at_ms       INTEGER NOT NULL CHECK (expires_at_ms >= 0),                    -- exclusive
    revoked_at_ms       INTEGER CHECK (revoked_at_ms >= 0)
) STRICT;

CREATE INDEX grants_of_user ON grants (user_id);
CREATE INDEX grants_to_client ON grants (client_id);
CREATE INDEX grants_by_end ON grants (expires_at_ms);
CREATE INDEX grants_revoked ON grants (revoked_at_ms) WHERE revoked_at_ms IS NOT NULL;

CREATE TABLE refresh_tokens (
    sha256         BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    grant_id       TEXT    NOT NULL REFERENCES grants (grant_id) ON DELETE CASCADE,
    issued_at_ms   INTEGER NOT NULL CHECK (issued_at_ms >= 0),
    expires_at_ms  INTEGER NOT NULL CHECK (expires_at_ms >= 0),                         -- exclusive
    replaced_at_ms INTEGER CHECK (replaced_at_ms >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_of_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at_ms);

CREATE TABLE consents (
    user_id       TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    client_id     TEXT    NOT NULL CHECK (client_id <> ''),
    resource      TEXT    NOT NULL,
    redirect_uri  TEXT    NOT NULL,
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes) AND json_type(scopes) = 'array'),
    granted_at_ms INTEGER NOT NULL CHECK (granted_at_ms >= 0),
    PRIMARY KEY (user_id, client_id, resource, redirect_uri)
) STRICT, WITHOUT ROWID;

CREATE INDEX consents_to_client ON consents (client_id);

CREATE TABLE tickets (
    kind          TEXT    NOT NULL CHECK (kind IN
                      ('code', 'interaction', 'federation', 'link', 'passkey', 'assertion')),
    sha256        BLOB    NOT NULL CHECK (length(sha256) = 32),
    body          BLOB    NOT NULL,                                                     -- sealed
    expires_at_ms INTEGER NOT NULL CHECK (expires_at_ms >= 0),                          -- exclusive
    taken_at_ms   INTEGER CHECK (taken_at_ms >= 0),
    PRIMARY KEY (kind, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_by_end ON tickets (kind, expires_at_ms);

CREATE TABLE browser_sessions (
    sha256              BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),       -- of the cookie
    user_id             TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    authenticated_at_ms INTEGER NOT NULL CHECK (authenticated_at_ms >= 0),
    methods             TEXT    NOT NULL CHECK (json_valid(methods) AND json_type(methods) = 'array'), -- RFC 8176
    details             TEXT    NOT NULL CHECK (details = '' OR json_valid(details)),
    created_at_ms       INTEGER NOT NULL CHECK (created_at_ms >= 0),
    last_seen_at_ms     INTEGER NOT NULL CHECK (last_seen_at_ms >= 0),
    expires_at_ms       INTEGER NOT NULL CHECK (expires_at_ms >= 0)                     -- exclusive
) STRICT, WITHOUT ROWID;

CREATE INDEX browser_sessions_of_user ON browser_sessions (user_id);
CREATE INDEX browser_sessions_by_end ON browser_sessions (expires_at_ms);

CREATE TABLE factors (
    factor_id       TEXT    NOT NULL PRIMARY KEY CHECK (factor_id <> ''),
    user_id         TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    kind            TEXT    NOT NULL CHECK (kind IN ('totp', 'passkey', 'recovery-codes')),
    label           TEXT    NOT NULL,
    sealed          BLOB    NOT NULL,
    counter         INTEGER NOT NULL CHECK (counter >= 0),
    created_at_ms   INTEGER NOT NULL CHECK (created_at_ms >= 0),
    last_used_at_ms INTEGER CHECK (last_used_at_ms >= 0)
) STRICT;

CREATE INDEX factors_of_user ON factors (user_id);
-- One sheet of recovery codes at most.
CREATE UNIQUE INDEX factors_recovery_codes ON factors (user_id) WHERE kind = 'recovery-codes';

CREATE TABLE logins (
    issuer             TEXT    NOT NULL CHECK (issuer <> ''),
    subject            TEXT    NOT NULL CHECK (subject <> ''),
    user_id            TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_at_ms      INTEGER NOT NULL CHECK (created_at_ms >= 0),
    last_sign_in_at_ms INTEGER NOT NULL CHECK (last_sign_in_at_ms >= 0),
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX logins_of_user ON logins (user_id);

CREATE TABLE linked_accounts (
    sid             TEXT    NOT NULL CHECK (sid <> ''),
    upstream        TEXT    NOT NULL CHECK (upstream <> ''),
    issuer          TEXT    NOT NULL,
    sealed          BLOB    NOT NULL,
    scopes          TEXT    NOT NULL CHECK (json_valid(scopes) AND json_type(scopes) = 'array'),
    revision        INTEGER NOT NULL CHECK (revision >= 0),
    created_at_ms   INTEGER NOT NULL CHECK (created_at_ms >= 0),
    refreshed_at_ms INTEGER CHECK (refreshed_at_ms >= 0),
    PRIMARY KEY (sid, upstream)
) STRICT, WITHOUT ROWID;

CREATE TABLE registrations (
    issuer        TEXT    NOT NULL CHECK (issuer <> ''),
    redirect_uri  TEXT    NOT NULL,
    client_id     TEXT    NOT NULL,
    sealed        BLOB    NOT NULL,
    created_at_ms INTEGER NOT NULL CHECK (created_at_ms >= 0),
    expires_at_ms INTEGER CHECK (expires_at_ms >= 0),                                   -- exclusive
    PRIMARY KEY (issuer, redirect_uri)
) STRICT, WITHOUT ROWID;
