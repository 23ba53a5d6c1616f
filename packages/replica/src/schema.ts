/** "crep" in ASCII: marks the file as ours. */
export const APPLICATION_ID = 0x63726570;

/** Raised with every change of the tables; a file of another version is set aside and rebuilt. */
export const SCHEMA_VERSION = 1;

/**
 * `certificates.state` is the JSON of a `ManagedCertificate`; what queries look for stands beside it. A removed certificate
 * stays, so that its removal can be told to those who ask what changed.
 */
export const SCHEMA: string = `
  CREATE TABLE bus (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    bus_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    holder TEXT
  ) STRICT;
  CREATE TABLE certificates (
    certificate_id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    name_set TEXT NOT NULL,
    next_action_at INTEGER,
    not_after INTEGER,
    removed INTEGER NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE names (
    name TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    UNIQUE (name, certificate_id)
  ) STRICT;
  CREATE TABLE issuers (hash TEXT PRIMARY KEY, certificate BLOB NOT NULL) STRICT;
  CREATE INDEX certificates_by_position ON certificates (position);
  CREATE INDEX certificates_by_name_set ON certificates (name_set) WHERE removed = 0;
  CREATE INDEX certificates_by_next_action ON certificates (next_action_at) WHERE next_action_at IS NOT NULL;
  CREATE INDEX certificates_by_not_after ON certificates (not_after) WHERE not_after IS NOT NULL;
  CREATE INDEX names_by_certificate ON names (certificate_id);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};`;
