-- Wrapped keys of persons, in a file of their own that ordinary backups leave out.

CREATE TABLE subject_keys (
    sid         TEXT    NOT NULL CHECK (sid <> ''),                                     -- random name
    version     INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    wrapped_key BLOB    NOT NULL CHECK (length(wrapped_key) > 0),
    made_at_ms  INTEGER NOT NULL CHECK (made_at_ms >= 0),                               -- since 1970-01-01T00:00:00Z
    PRIMARY KEY (sid, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE destroyed (
    sid   TEXT    NOT NULL PRIMARY KEY CHECK (sid <> ''),
    at_ms INTEGER NOT NULL CHECK (at_ms >= 0)
) STRICT, WITHOUT ROWID;

-- Keys that are kept and not used: what is sealed with them is opened for an export only.
CREATE TABLE restricted (
    sid      TEXT    NOT NULL PRIMARY KEY CHECK (sid <> ''),
    since_ms INTEGER NOT NULL CHECK (since_ms >= 0)
) STRICT, WITHOUT ROWID;

-- A tombstone stays, and no key stands beside it.
CREATE TRIGGER destroyed_stays BEFORE DELETE ON destroyed
BEGIN SELECT RAISE(ABORT, 'a destroyed key stays destroyed'); END;
CREATE TRIGGER destroyed_gets_no_key BEFORE INSERT ON subject_keys
WHEN EXISTS (SELECT 1 FROM destroyed WHERE sid = NEW.sid)
BEGIN SELECT RAISE(ABORT, 'the keys of this person were destroyed'); END;

CREATE TABLE epoch (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),                                 -- there is one row
    value INTEGER NOT NULL CHECK (value >= 0)                                           -- raised with each destroyed or restricted key
) STRICT;

INSERT INTO epoch (one, value) VALUES (1, 0);
