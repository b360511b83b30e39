-- The hotlist's files, where every edge finds them. What counts as published is in the journal: an epoch is published once its
-- event is, so a row without one is the rest of a build that was interrupted.

CREATE SCHEMA hotlist;

CREATE TABLE hotlist.file (
    epoch bigint PRIMARY KEY,
    base_epoch bigint NOT NULL,
    position bigint NOT NULL,
    made_at timestamptz NOT NULL,
    listed bigint NOT NULL,
    issued bigint NOT NULL,
    unlistable bigint NOT NULL,
    digest bytea NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE hotlist.file ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON COLUMN hotlist.file.base_epoch IS 'the snapshot a delta lies over; the epoch itself for a snapshot';
COMMENT ON COLUMN hotlist.file.digest IS 'SM3 of data, as the event hotlist_published names it';

GRANT USAGE ON SCHEMA hotlist TO hub_writer, hub_reader;
GRANT SELECT ON hotlist.file TO hub_writer, hub_reader;
GRANT INSERT, DELETE ON hotlist.file TO hub_writer;
