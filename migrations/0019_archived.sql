-- Partitions of the journal whose rows left for segments: what each segment is, and where it was when they went. Only the owner writes it.
CREATE TABLE journal.archived (
    first bigint PRIMARY KEY,
    last bigint NOT NULL,
    path text NOT NULL,
    size_bytes bigint NOT NULL,
    sm3 text NOT NULL,
    digest text NOT NULL,
    last_row text NOT NULL,
    directory text NOT NULL
);
COMMENT ON TABLE journal.archived IS 'segments that have the events of archived partitions; digest is over their rows';

-- What a session reads as history: the rows that are here. One that has archived rows brought back lays a view of both over it.
CREATE VIEW journal.history AS SELECT * FROM journal.event;

GRANT SELECT ON journal.archived, journal.history TO hub_writer, hub_projector, hub_reader, hub_sealer;
