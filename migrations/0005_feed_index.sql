-- The hub looks at all feeds every two seconds: they are few, but aggregates share the table and grow without end. Neither column
-- ever changes, so an update of next_sequence stays a heap-only one.
CREATE INDEX stream_feed ON journal.stream (name) WHERE is_feed;
