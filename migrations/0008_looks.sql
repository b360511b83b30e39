-- What the hub answers is recorded before it is given: decisions, and that a card was looked at. Both go in one group, so that there is
-- one writer at the head and one commit for all that wait.

CREATE FUNCTION journal.append_answers(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_kinds text[], p_data bytea[], p_traces text[]
) RETURNS TABLE (decision_position bigint, is_new boolean) LANGUAGE plpgsql AS $$
-- A whole group of the hub's own answers in one call: sequences are assigned under the lock, and a request key that was answered
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
CREATE OR REPLACE FUNCTION journal.append_decisions(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_data bytea[], p_traces text[]
) RETURNS TABLE (decision_position bigint, is_new boolean) LANGUAGE sql AS $$
    SELECT * FROM journal.append_answers(
        p_stream, p_request_keys, p_occurred_us, array_fill('decision_made'::text, ARRAY[cardinality(p_request_keys)]), p_data, p_traces);
$$;
GRANT EXECUTE ON FUNCTION journal.append_answers(bigint, bytea[], bigint[], text[], bytea[], text[]) TO hub_writer;
