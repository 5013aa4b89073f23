-- A signing key is published before it signs: the one that comes next.

CREATE TABLE signing_keys_with_next (
    key_id            TEXT    NOT NULL PRIMARY KEY CHECK (key_id <> ''),                -- kid (RFC 7517 §4.5)
    algorithm         TEXT    NOT NULL CHECK (algorithm <> ''),
    sealed_private    BLOB    NOT NULL CHECK (state <> 'retired' OR length(sealed_private) = 0),
    state             TEXT    NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'retired')),
    created_at_ms     INTEGER NOT NULL CHECK (created_at_ms >= 0),
    retiring_since_ms INTEGER CHECK (retiring_since_ms >= 0)
) STRICT;

INSERT INTO signing_keys_with_next SELECT * FROM signing_keys;
DROP TABLE signing_keys;
ALTER TABLE signing_keys_with_next RENAME TO signing_keys;

-- One key signs at most, and one comes next.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (state) WHERE state = 'next';
