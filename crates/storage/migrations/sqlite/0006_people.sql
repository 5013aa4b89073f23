-- People: their names, what holds them, their erasure, and the copies of their keys that exist outside.

ALTER TABLE subjects ADD COLUMN registered_at_ms INTEGER CHECK (registered_at_ms >= 0);

CREATE TABLE subject_names (
    lookup      BLOB    NOT NULL PRIMARY KEY CHECK (length(lookup) = 32),               -- keyed digest of issuer and name
    sid         TEXT    NOT NULL REFERENCES subjects (sid),
    sealed      BLOB,                                                                   -- NULL: the person was erased
    added_at_ms INTEGER NOT NULL CHECK (added_at_ms >= 0)                               -- since 1970-01-01T00:00:00Z
) STRICT;

CREATE INDEX subject_names_of_subject ON subject_names (sid);

CREATE TABLE subject_holds (
    sid      TEXT    NOT NULL REFERENCES subjects (sid),
    hold_id  TEXT    NOT NULL CHECK (hold_id <> ''),
    reason   TEXT    NOT NULL,
    since_ms INTEGER NOT NULL CHECK (since_ms >= 0),
    PRIMARY KEY (sid, hold_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE subject_erasures (
    sid            TEXT    NOT NULL PRIMARY KEY REFERENCES subjects (sid),
    begun_at_ms    INTEGER NOT NULL CHECK (begun_at_ms >= 0),
    record         TEXT    CHECK (json_valid(record)),                                  -- the certificate in the end
    finished_at_ms INTEGER CHECK (finished_at_ms >= 0)
) STRICT, WITHOUT ROWID;

-- No hold comes in once an erasure has begun.
CREATE TRIGGER no_hold_on_an_erasure BEFORE INSERT ON subject_holds
WHEN EXISTS (SELECT 1 FROM subject_erasures WHERE sid = NEW.sid)
BEGIN SELECT RAISE(ABORT, 'the erasure of this person has begun'); END;

CREATE TABLE subject_key_backups (
    backup_id     TEXT    NOT NULL PRIMARY KEY CHECK (backup_id <> ''),
    made_at_ms    INTEGER NOT NULL CHECK (made_at_ms >= 0),
    expires_at_ms INTEGER NOT NULL CHECK (expires_at_ms > made_at_ms)                   -- exclusive
) STRICT, WITHOUT ROWID;
