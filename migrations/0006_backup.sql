-- What a backup looks for: answers by their position, and tombstones. Answers are only ever appended, so their blocks are in order of
-- position and a BRIN index finds them: a few bytes a megabyte, and next to nothing for who appends.

CREATE INDEX request_position ON journal.request USING brin (position) WITH (autosummarize = on);
CREATE INDEX identifier_erased ON vault.identifier (key) WHERE erased_at IS NOT NULL;
CREATE INDEX original_erased ON vault.original (stream_id, sequence) WHERE erased_at IS NOT NULL;
