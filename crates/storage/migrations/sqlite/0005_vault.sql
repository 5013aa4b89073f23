-- Keys of the vault, all wrapped, and what tokens stand for.

CREATE TABLE vault_keys (
    key_id          INTEGER NOT NULL PRIMARY KEY CHECK (key_id BETWEEN 1 AND 4294967295), -- random
    tenant          TEXT    NOT NULL,
    purpose         TEXT    NOT NULL CHECK (purpose IN ('wrap', 'seal', 'token', 'same-token', 'format', 'hash', 'index', 'fernet')),
    kind            TEXT    NOT NULL,                                                     -- '': serves all
    primary_version INTEGER NOT NULL CHECK (primary_version > 0),                         -- for new values
    min_open        INTEGER NOT NULL CHECK (min_open > 0),                                -- older versions open nothing
    min_seal        INTEGER NOT NULL CHECK (min_seal > 0),                                -- older versions seal nothing
    UNIQUE (tenant, purpose, kind)
) STRICT;

CREATE TABLE vault_key_versions (
    key_id        INTEGER NOT NULL REFERENCES vault_keys (key_id),
    version       INTEGER NOT NULL CHECK (version BETWEEN 1 AND 65535),
    wrapped       BLOB,                                                                   -- NULL: destroyed
    wrapped_by    INTEGER NOT NULL CHECK (wrapped_by > 0),                                -- version of the tenant's wrapping key, generation of the root
    state         TEXT    NOT NULL CHECK (state IN ('enabled', 'disabled', 'condemned')),
    destroy_at_ms INTEGER CHECK ((destroy_at_ms IS NOT NULL) = (state = 'condemned')),
    reserved      INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),                       -- nonces given out
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (key_id, version)
) STRICT, WITHOUT ROWID;

-- Each place once: many values stand at the same.
CREATE TABLE vault_places (
    place_id INTEGER NOT NULL PRIMARY KEY,
    tenant   TEXT    NOT NULL,
    upstream TEXT    NOT NULL,
    tool     TEXT    NOT NULL,
    field    TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    UNIQUE (tenant, upstream, tool, field, kind)
) STRICT;

CREATE TABLE vault_tokens (
    token_id      INTEGER NOT NULL PRIMARY KEY,                                           -- new rows go to the end: lookups are random
    lookup        BLOB    NOT NULL UNIQUE CHECK (length(lookup) = 16),                    -- of a keyed digest of the text
    how           TEXT    NOT NULL CHECK (how IN ('token', 'format')),
    place_id      INTEGER NOT NULL REFERENCES vault_places (place_id),
    sealed        BLOB    NOT NULL,
    key_id        INTEGER NOT NULL,
    key_version   INTEGER NOT NULL,
    same          BLOB    CHECK (length(same) = 32),                                      -- keyed digest of a formatted value
    subject       TEXT,
    receiver      TEXT,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER                                                                 -- exclusive
) STRICT;

CREATE INDEX vault_tokens_by_subject ON vault_tokens (subject, lookup) WHERE subject IS NOT NULL;
CREATE INDEX vault_tokens_by_end ON vault_tokens (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
