-- Users, their passwords, and the epoch that tells every process to look again.

CREATE TABLE users (
    user_id            TEXT    NOT NULL PRIMARY KEY CHECK (user_id <> ''),              -- UUIDv7
    username           TEXT    NOT NULL UNIQUE CHECK (username <> ''),                  -- NFC, compared byte by byte
    display_name       TEXT,
    email              TEXT,
    roles              TEXT    NOT NULL CHECK (json_valid(roles) AND json_type(roles) = 'array'),
    enabled            INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    not_before_ms      INTEGER NOT NULL CHECK (not_before_ms >= 0),                     -- since 1970-01-01T00:00:00Z
    created_at_ms      INTEGER NOT NULL CHECK (created_at_ms >= 0),
    last_sign_in_at_ms INTEGER CHECK (last_sign_in_at_ms >= 0)
) STRICT;

CREATE TABLE passwords (
    user_id       TEXT    NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
    phc           BLOB    NOT NULL CHECK (length(phc) > 0),                             -- PHC string format
    changed_at_ms INTEGER NOT NULL CHECK (changed_at_ms >= 0)
) STRICT;

CREATE TABLE epoch (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),                                 -- there is one row
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT;

INSERT INTO epoch (one, value) VALUES (1, 0);
