-- recorded_at never goes back, so a database clock that was once years ahead would leave it there for good. A group is refused whose time
-- would be more than a minute ahead of the hub's own clock, unless an operator has accepted that time: acceptances are events of feed
-- hub.clock, and what they accept is the time they were recorded at. A quiet night is no jump: the hub's clock went on as well.

CREATE FUNCTION journal.accepted_time() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT b.recorded_at FROM journal.batch b
                     WHERE b.stream_id = (SELECT s.stream_id FROM journal.stream s WHERE s.name = 'hub.clock')
                     ORDER BY b.first_sequence DESC LIMIT 1), '-infinity')
$$;

CREATE FUNCTION journal.time_to_record(p_last timestamptz, p_hub_us bigint) RETURNS timestamptz LANGUAGE plpgsql AS $$
-- p_hub_us is the hub's clock in microseconds since 1970; NULL for who does not say it: the release before, and an acceptance itself.
DECLARE recorded timestamptz := greatest(p_last, clock_timestamp()); ahead_s float8;
BEGIN
    IF p_hub_us IS NOT NULL THEN
        ahead_s := extract(epoch FROM recorded) - p_hub_us / 1e6;
        IF ahead_s > 60 AND recorded > journal.accepted_time() THEN
            -- The message is the figure alone; the hub reads it.
            RAISE EXCEPTION USING ERRCODE = 'HC001', MESSAGE = round(ahead_s::numeric, 1)::text;
        END IF;
    END IF;
    RETURN recorded;
END $$;

CREATE FUNCTION journal.lock_group(
    p_streams bigint[], p_hub_us bigint,
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
    recorded_us := (extract(epoch FROM journal.time_to_record(last_recorded_at, p_hub_us)) * 1000000)::bigint - 946684800000000;
    PERFORM FROM journal.stream s WHERE s.stream_id = ANY (p_streams) ORDER BY s.stream_id FOR NO KEY UPDATE;
    SELECT array_agg(s.next_sequence ORDER BY p.n), array_agg(s.owner ORDER BY p.n) INTO next_sequences, owners
    FROM unnest(p_streams) WITH ORDINALITY p (stream_id, n) LEFT JOIN journal.stream s USING (stream_id);
END $$;

CREATE FUNCTION journal.append_answers(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_kinds text[], p_data bytea[], p_traces text[], p_hub_us bigint
) RETURNS TABLE (decision_position bigint, is_new boolean) LANGUAGE plpgsql AS $$
-- A whole group of the hub's own answers in one call: sequences are assigned under the lock, and a request key that was answered
-- before gives the old position and appends nothing. No key stands in the arrays twice. Rows come back in the order of the arguments.
DECLARE head bigint; recorded timestamptz; first_sequence bigint; fresh bigint[]; count bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head, recorded FROM journal.head h FOR NO KEY UPDATE;
    recorded := journal.time_to_record(recorded, p_hub_us);
    SELECT s.next_sequence INTO first_sequence FROM journal.stream s WHERE s.stream_id = p_stream FOR NO KEY UPDATE;
    SELECT array_agg(a.n ORDER BY a.n) INTO fresh FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
    WHERE NOT EXISTS (SELECT FROM journal.request r WHERE r.request_key = a.request_key);
    count := COALESCE(cardinality(fresh), 0);
    IF count > 0 THEN
        INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, data)
        SELECT head + i, recorded, p_stream, first_sequence + i - 1,
               '1970-01-01Z'::timestamptz + p_occurred_us[fresh[i]] * interval '1 microsecond', p_kinds[fresh[i]], p_data[fresh[i]]
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

-- The release before calls this one; it goes when that release has.
CREATE OR REPLACE FUNCTION journal.append_answers(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_kinds text[], p_data bytea[], p_traces text[]
) RETURNS TABLE (decision_position bigint, is_new boolean) LANGUAGE sql AS $$
    SELECT * FROM journal.append_answers(p_stream, p_request_keys, p_occurred_us, p_kinds, p_data, p_traces, NULL);
$$;
GRANT EXECUTE ON FUNCTION journal.accepted_time() TO hub_writer, hub_reader;
GRANT EXECUTE ON FUNCTION journal.time_to_record(timestamptz, bigint) TO hub_writer;
GRANT EXECUTE ON FUNCTION journal.lock_group(bigint[], bigint) TO hub_writer;
GRANT EXECUTE ON FUNCTION journal.append_answers(bigint, bytea[], bigint[], text[], bytea[], text[], bigint) TO hub_writer;
