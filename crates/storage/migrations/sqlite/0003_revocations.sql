-- What must not work any more: tokens, persons, keys of any issuer, and stops.

CREATE TABLE revocations (
    kind     TEXT    NOT NULL CHECK (kind IN
                 ('token', 'subject', 'key', 'stopped-tool', 'stopped-user', 'stopped-upstream')),
    issuer   TEXT    NOT NULL,                                                          -- empty for stops
    id       TEXT    NOT NULL CHECK (id <> ''),
    at_ms    INTEGER NOT NULL CHECK (at_ms >= 0),                                       -- since 1970-01-01T00:00:00Z
    until_ms INTEGER CHECK (until_ms >= 0),                                             -- NULL: never forgotten
    PRIMARY KEY (kind, issuer, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_until ON revocations (until_ms);
