-- Of what kind each archived event is: what follows a correction need not open a segment for one that it does not read.
CREATE TABLE journal.archived_kinds (
    first bigint PRIMARY KEY REFERENCES journal.archived ON DELETE CASCADE,
    labels text[] NOT NULL,
    numbers bytea NOT NULL
);
COMMENT ON TABLE journal.archived_kinds IS 'a byte for each position of a segment: the number of its label, a kind with the bytes that were looked for in it';

GRANT SELECT ON journal.archived_kinds TO hub_writer, hub_projector, hub_reader, hub_sealer;
