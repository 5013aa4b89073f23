-- API keys, which carry a user's rights, and the keys that sign own tokens.

CREATE TABLE api_keys (
    key_id        TEXT    NOT NULL PRIMARY KEY CHECK (key_id <> ''),                    -- public part of the key's text
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    user_id       TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    label         TEXT    NOT NULL,
    restriction   TEXT    NOT NULL CHECK (json_valid(restriction) AND json_type(restriction) = 'object'),
    created_at_ms INTEGER NOT NULL CHECK (created_at_ms >= 0),                          -- since 1970-01-01T00:00:00Z
    expires_at_ms INTEGER CHECK (expires_at_ms >= 0),                                   -- exclusive
    revoked_at_ms INTEGER CHECK (revoked_at_ms >= 0)
) STRICT;

CREATE INDEX api_keys_of_user ON api_keys (user_id);

CREATE TABLE signing_keys (
    key_id            TEXT    NOT NULL PRIMARY KEY CHECK (key_id <> ''),                -- kid (RFC 7517 §4.5)
    algorithm         TEXT    NOT NULL CHECK (algorithm <> ''),
    sealed_private    BLOB    NOT NULL CHECK (state <> 'retired' OR length(sealed_private) = 0),
    state             TEXT    NOT NULL CHECK (state IN ('active', 'retiring', 'retired')),
    created_at_ms     INTEGER NOT NULL CHECK (created_at_ms >= 0),
    retiring_since_ms INTEGER CHECK (retiring_since_ms >= 0)
) STRICT;

-- One key signs at most.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (state) WHERE state = 'active';
