-- Random names of persons, and the wrapped keys that seal what belongs to them.

CREATE TABLE subjects (
    sid         TEXT NOT NULL PRIMARY KEY CHECK (sid <> ''),
    lookup      BLOB NOT NULL UNIQUE CHECK (length(lookup) = 32),                       -- keyed digest of issuer and subject
    wrapped_key BLOB                                                                    -- NULL: the person was erased
) STRICT;
