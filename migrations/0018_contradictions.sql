-- A checkpoint with the log's own signature that the log does not begin with, as a witness showed it (docs/witness.md). Nothing more is
-- signed in an incarnation that has one.

CREATE TABLE tlog.contradiction (
    incarnation int NOT NULL,
    witness text NOT NULL,
    size bigint NOT NULL,
    ours bytea NOT NULL,
    theirs bytea NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (incarnation, witness, size)
);
COMMENT ON TABLE tlog.contradiction IS 'both notes: what the hub had sealed, and what the witness has of it, of the size in the row';
GRANT SELECT ON tlog.contradiction TO hub_writer, hub_projector, hub_reader, hub_sealer;
GRANT INSERT ON tlog.contradiction TO hub_sealer;
