-- Times are microseconds since 1970 in UTC.

CREATE TABLE plugins (
  namespace  TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  live       INTEGER NOT NULL, -- number of the version that answers, 0: none
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
  namespace  TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  number     INTEGER NOT NULL,
  digest     TEXT    NOT NULL, -- of the module, which is a file beside the database
  bytes      INTEGER NOT NULL,
  abi        TEXT    NOT NULL,
  manifest   TEXT    NOT NULL, -- JSON, as uploaded
  facts      TEXT    NOT NULL, -- JSON, found in the module
  created_us INTEGER NOT NULL,
  PRIMARY KEY (namespace, name, number),
  FOREIGN KEY (namespace, name) REFERENCES plugins ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
