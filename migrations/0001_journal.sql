-- The journal: one order, append-only by grant. Positions are 1, 2, 3 … without holes and in commit order, because every
-- group locks the head row first and takes its positions from it (no sequence: a sequence burns numbers on rollback).

DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['hub_writer', 'hub_projector', 'hub_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
        EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
    END LOOP;
END $$;

CREATE SCHEMA journal;

CREATE TABLE journal.head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    partition_size bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
-- 2^26 positions a partition: about a day and a half at 500 events a second.
INSERT INTO journal.head (position, recorded_at, partition_size) VALUES (0, '2000-01-01Z', 67108864);

CREATE TABLE journal.stream (
    stream_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner text NOT NULL,
    is_feed boolean NOT NULL,
    next_sequence bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
COMMENT ON COLUMN journal.stream.owner IS 'participant that may write a feed; the aggregate''s own id for an aggregate';

CREATE TABLE journal.event (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    stream_id bigint NOT NULL,
    sequence bigint NOT NULL,
    occurred_at timestamptz,
    kind text NOT NULL,
    digest bytea,
    data bytea NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
ALTER TABLE journal.event ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON COLUMN journal.event.digest IS 'HMAC-SM3 of the event as it was sent, to tell an identical resend from a conflict';
COMMENT ON COLUMN journal.event.data IS 'chuanyu.exchange.v1.Event with key arms only';

-- (stream, sequence) leads to a position through its batch, so the events need no second index: two more indexes cost half the rate.
CREATE TABLE journal.batch (
    stream_id bigint NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    first_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    trace_parents text[] NOT NULL,
    PRIMARY KEY (stream_id, first_sequence)
);
CREATE INDEX batch_first_position ON journal.batch (first_position);

CREATE TABLE journal.correction (
    stream_id bigint NOT NULL,
    sequence bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (stream_id, sequence, position)
);
CREATE INDEX correction_position ON journal.correction (position);
COMMENT ON TABLE journal.correction IS 'events that correct or reverse (stream, sequence), by position';

CREATE TABLE journal.request (
    request_key bytea PRIMARY KEY,
    position bigint NOT NULL
);
COMMENT ON TABLE journal.request IS 'which position answered a request id: a repeat gets the same answer';

CREATE FUNCTION journal.ensure_partitions(OUT ahead int) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
-- Keeps the partition of the head and the next two in existence; returns how many lie wholly ahead.
DECLARE size bigint; head bigint; start bigint; partition text;
BEGIN
    SELECT h.partition_size, h.position INTO size, head FROM journal.head h;
    FOR i IN 0..2 LOOP
        start := (head / size + i) * size;
        partition := 'event_' || lpad((start / size)::text, 6, '0');
        IF to_regclass('journal.' || partition) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtext('journal.ensure_partitions'));
            IF to_regclass('journal.' || partition) IS NULL THEN
                EXECUTE format('CREATE TABLE journal.%I PARTITION OF journal.event FOR VALUES FROM (%s) TO (%s)', partition, start, start + size);
            END IF;
        END IF;
    END LOOP;
    SELECT count(*) INTO ahead FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'journal.event'::regclass AND substr(c.relname, 7)::bigint * size > head;
END $$;
SELECT journal.ensure_partitions();

CREATE FUNCTION journal.lock_group(
    p_streams bigint[],
    OUT head_position bigint, OUT recorded_us bigint, OUT next_sequences bigint[], OUT owners text[]
) LANGUAGE plpgsql AS $$
-- Locks the head, then the streams in id order: always in this order, so that writers cannot deadlock. The advisory lock is the queue
-- before the head: row locks alone let a busy writer take the row again before one that waits has woken up.
-- Arrays come back in the order of the arguments; NULL marks an unknown stream.
-- recorded_us counts microseconds from 2000-01-01Z, as the binary format of a timestamp does.
DECLARE last_recorded_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head_position, last_recorded_at FROM journal.head h FOR NO KEY UPDATE;
    recorded_us := (extract(epoch FROM greatest(last_recorded_at, clock_timestamp())) * 1000000)::bigint - 946684800000000;
    PERFORM FROM journal.stream s WHERE s.stream_id = ANY (p_streams) ORDER BY s.stream_id FOR NO KEY UPDATE;
    SELECT array_agg(s.next_sequence ORDER BY p.n), array_agg(s.owner ORDER BY p.n) INTO next_sequences, owners
    FROM unnest(p_streams) WITH ORDINALITY p (stream_id, n) LEFT JOIN journal.stream s USING (stream_id);
END $$;

CREATE FUNCTION journal.close_group(
    p_position bigint, p_recorded_us bigint, p_streams bigint[], p_next bigint[],
    p_batch_streams bigint[], p_first bigint[], p_last bigint[], p_first_positions bigint[], p_traces text[],
    p_corrected_streams bigint[], p_corrected_sequences bigint[], p_correcting_positions bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
-- Moves the head and the streams and writes the batch rows; p_traces holds one comma-separated list a batch.
DECLARE now_recorded_at timestamptz := '2000-01-01Z'::timestamptz + p_recorded_us * interval '1 microsecond';
BEGIN
    UPDATE journal.head SET position = p_position, recorded_at = now_recorded_at;
    UPDATE journal.stream s SET next_sequence = n.next_sequence
    FROM unnest(p_streams, p_next) n (stream_id, next_sequence) WHERE s.stream_id = n.stream_id;
    INSERT INTO journal.batch (stream_id, first_sequence, last_sequence, first_position, recorded_at, trace_parents)
    SELECT b.stream_id, b.first_sequence, b.last_sequence, b.first_position, now_recorded_at, string_to_array(b.trace, ',')
    FROM unnest(p_batch_streams, p_first, p_last, p_first_positions, p_traces) b (stream_id, first_sequence, last_sequence, first_position, trace);
    IF cardinality(p_corrected_streams) > 0 THEN
        INSERT INTO journal.correction (stream_id, sequence, position)
        SELECT DISTINCT * FROM unnest(p_corrected_streams, p_corrected_sequences, p_correcting_positions);
    END IF;
END $$;

CREATE FUNCTION journal.append_decisions(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_data bytea[], p_traces text[]
) RETURNS TABLE (decision_position bigint, is_new boolean) LANGUAGE plpgsql AS $$
-- A whole group of the hub's own decisions in one call: sequences are assigned under the lock, and a request key that was answered
-- before gives the old position and appends nothing. No key stands in the arrays twice. Rows come back in the order of the arguments.
DECLARE head bigint; recorded timestamptz; first_sequence bigint; fresh bigint[]; count bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head, recorded FROM journal.head h FOR NO KEY UPDATE;
    recorded := greatest(recorded, clock_timestamp());
    SELECT s.next_sequence INTO first_sequence FROM journal.stream s WHERE s.stream_id = p_stream FOR NO KEY UPDATE;
    SELECT array_agg(a.n ORDER BY a.n) INTO fresh FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
    WHERE NOT EXISTS (SELECT FROM journal.request r WHERE r.request_key = a.request_key);
    count := COALESCE(cardinality(fresh), 0);
    IF count > 0 THEN
        INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, data)
        SELECT head + i, recorded, p_stream, first_sequence + i - 1,
               '1970-01-01Z'::timestamptz + p_occurred_us[fresh[i]] * interval '1 microsecond', 'decision_made', p_data[fresh[i]]
        FROM generate_series(1, count) i;
        INSERT INTO journal.request (request_key, position) SELECT p_request_keys[fresh[i]], head + i FROM generate_series(1, count) i;
        INSERT INTO journal.batch (stream_id, first_sequence, last_sequence, first_position, recorded_at, trace_parents)
        SELECT p_stream, first_sequence, first_sequence + count - 1, head + 1, recorded, array_agg(p_traces[fresh[i]] ORDER BY i)
        FROM generate_series(1, count) i;
        UPDATE journal.head h SET position = head + count, recorded_at = recorded;
        UPDATE journal.stream s SET next_sequence = first_sequence + count WHERE s.stream_id = p_stream;
    END IF;
    RETURN QUERY SELECT r.position, r.position > head FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
    JOIN journal.request r USING (request_key) ORDER BY a.n;
END $$;

CREATE FUNCTION journal.terminate_stalled_writers(p_older_than interval) RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
-- A process stopped between COPY and its data holds the head and no time-out of the server reaches it; a waiting writer ends it.
    SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))::int
    FROM pg_stat_activity a
    WHERE a.application_name = 'hub-writer' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
      AND a.xact_start < clock_timestamp() - p_older_than AND a.wait_event = 'ClientRead';
$$;

CREATE SCHEMA views AUTHORIZATION hub_projector;

GRANT USAGE ON SCHEMA journal TO hub_writer, hub_projector, hub_reader;
GRANT USAGE ON SCHEMA views TO hub_writer, hub_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA journal TO hub_writer, hub_projector, hub_reader;
GRANT INSERT ON journal.event, journal.batch, journal.correction, journal.request, journal.stream TO hub_writer;
GRANT UPDATE (position, recorded_at) ON journal.head TO hub_writer;
GRANT UPDATE (next_sequence) ON journal.stream TO hub_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE hub_projector IN SCHEMA views GRANT SELECT ON TABLES TO hub_writer, hub_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA journal FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA journal TO hub_writer;
