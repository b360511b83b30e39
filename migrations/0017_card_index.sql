-- The card index (docs/log.md): the roots that were published, and the hashes of its buckets that proofs need. It follows from the journal; what
-- is lost here is published again.

CREATE TABLE tlog.index_epoch (
    tree_size bigint PRIMARY KEY,
    position bigint NOT NULL,
    root bytea NOT NULL,
    group_roots bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE tlog.index_epoch ALTER COLUMN group_roots SET STORAGE EXTERNAL;
COMMENT ON TABLE tlog.index_epoch IS 'a root of the card index: it covers the leaves below tree_size, position is that of its index_published';

CREATE TABLE tlog.index_group (
    number int NOT NULL,
    tree_size bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (number, tree_size)
);
ALTER TABLE tlog.index_group ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE tlog.index_group IS 'the hashes of 256 buckets, in force from an epoch on until the next of the same number';

GRANT SELECT ON tlog.index_epoch, tlog.index_group TO hub_writer, hub_projector, hub_reader, hub_sealer;
-- The process that folds the views publishes their roots; an edge does neither.
GRANT INSERT, DELETE ON tlog.index_epoch, tlog.index_group TO hub_projector;
