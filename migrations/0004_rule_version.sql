-- Every version of rules and reference data that has answered, so that it can answer again. Content-addressed and append-only;
-- that a version took effect is an event of its own (rules_published).

CREATE TABLE journal.rule_version (
    digest bytea PRIMARY KEY,
    archive bytea NOT NULL
);
ALTER TABLE journal.rule_version ALTER COLUMN archive SET STORAGE EXTERNAL;
COMMENT ON TABLE journal.rule_version IS 'the sources of hub.domain as a zip file, under the digest that decisions carry';

GRANT SELECT ON journal.rule_version TO hub_writer, hub_projector, hub_reader;
GRANT INSERT ON journal.rule_version TO hub_writer;
