-- The vault: originals of identifiers and of quarantined events, encrypted, erasable row by row. Nothing here is needed to fold the journal.

CREATE SCHEMA vault;

CREATE TABLE vault.key_fingerprint (
    purpose text PRIMARY KEY,
    fingerprint bytea NOT NULL
);
COMMENT ON TABLE vault.key_fingerprint IS 'a hub with another pseudonym key refuses to start: its keys would name other cards';

CREATE TABLE vault.identifier (
    key bytea PRIMARY KEY,
    key_version int NOT NULL,
    sealed bytea,
    erased_at timestamptz,
    CHECK ((sealed IS NULL) = (erased_at IS NOT NULL))
);
COMMENT ON COLUMN vault.identifier.sealed IS 'nonce (12), SM4-GCM ciphertext, tag (16); the key is bound as associated data; NULL once erased (the row stays as tombstone)';

CREATE TABLE vault.original (
    stream_id bigint NOT NULL,
    sequence bigint NOT NULL,
    key_version int NOT NULL,
    sealed bytea,
    erased_at timestamptz,
    PRIMARY KEY (stream_id, sequence),
    CHECK ((sealed IS NULL) = (erased_at IS NOT NULL))
);
COMMENT ON TABLE vault.original IS 'quarantined events as they were sent';

GRANT USAGE ON SCHEMA vault TO hub_writer;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA vault TO hub_writer;
