-- What an e-card shows is used once. Only the head's lock puts answers into an order, so that is where a second use is found: two edges, or two
-- questions of one group, may both have accepted the same token before either was recorded. Such an answer is not recorded; its edge decides
-- again, with what it now knows.

CREATE TABLE journal.redeemed_token (
    token_key bytea PRIMARY KEY,
    position bigint NOT NULL
);
CREATE INDEX redeemed_token_position ON journal.redeemed_token (position);
COMMENT ON TABLE journal.redeemed_token IS 'which answer used an e-card''s token';

CREATE FUNCTION journal.append_answers(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_kinds text[], p_data bytea[], p_traces text[], p_hub_us bigint,
    p_tokens bytea[], p_redeems boolean[]
) RETURNS TABLE (decision_position bigint, is_new boolean, redeemed_position bigint) LANGUAGE plpgsql AS $$
-- A whole group of the hub's own answers in one call: sequences are assigned under the lock, and a request key that was answered
-- before gives the old position and appends nothing. No key stands in the arrays twice. Rows come back in the order of the arguments.
-- A new answer with a token ('' is none) that another answer has used is not appended: decision_position is NULL then, and
-- redeemed_position that of the other. p_redeems says which answers use their token.
DECLARE head bigint; recorded timestamptz; first_sequence bigint; fresh bigint[]; count bigint; has_tokens boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head, recorded FROM journal.head h FOR NO KEY UPDATE;
    recorded := journal.time_to_record(recorded, p_hub_us);
    SELECT s.next_sequence INTO first_sequence FROM journal.stream s WHERE s.stream_id = p_stream FOR NO KEY UPDATE;
    SELECT array_agg(a.n ORDER BY a.n) INTO fresh FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
    WHERE NOT EXISTS (SELECT FROM journal.request r WHERE r.request_key = a.request_key);
    has_tokens := p_tokens <> array_fill(''::bytea, ARRAY[cardinality(p_tokens)]);
    IF has_tokens THEN
        SELECT array_agg(f.n ORDER BY f.n) INTO fresh FROM (
            SELECT a.n, p_tokens[a.n] AS token, count(*) FILTER (WHERE p_redeems[a.n]) OVER (
                PARTITION BY p_tokens[a.n] ORDER BY a.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS used
            FROM unnest(fresh) a (n)) f
        WHERE f.token = '' OR (f.used = 0 AND NOT EXISTS (SELECT FROM journal.redeemed_token r WHERE r.token_key = f.token));
    END IF;
    count := COALESCE(cardinality(fresh), 0);
    IF count > 0 THEN
        INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, data)
        SELECT head + i, recorded, p_stream, first_sequence + i - 1,
               '1970-01-01Z'::timestamptz + p_occurred_us[fresh[i]] * interval '1 microsecond', p_kinds[fresh[i]], p_data[fresh[i]]
        FROM generate_series(1, count) i;
        INSERT INTO journal.request (request_key, position) SELECT p_request_keys[fresh[i]], head + i FROM generate_series(1, count) i;
        IF has_tokens THEN
            INSERT INTO journal.redeemed_token (token_key, position)
            SELECT p_tokens[fresh[i]], head + i FROM generate_series(1, count) i WHERE p_redeems[fresh[i]] AND p_tokens[fresh[i]] <> '';
        END IF;
        INSERT INTO journal.batch (stream_id, first_sequence, last_sequence, first_position, recorded_at, trace_parents)
        SELECT p_stream, first_sequence, first_sequence + count - 1, head + 1, recorded, array_agg(p_traces[fresh[i]] ORDER BY i)
        FROM generate_series(1, count) i;
        UPDATE journal.head h SET position = head + count, recorded_at = recorded;
        UPDATE journal.stream s SET next_sequence = first_sequence + count WHERE s.stream_id = p_stream;
    END IF;
    IF has_tokens THEN
        RETURN QUERY SELECT r.position, COALESCE(r.position > head, false), t.position
        FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
        LEFT JOIN journal.request r USING (request_key) LEFT JOIN journal.redeemed_token t ON t.token_key = p_tokens[a.n] ORDER BY a.n;
    ELSE
        RETURN QUERY SELECT r.position, r.position > head, NULL::bigint FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
        JOIN journal.request r USING (request_key) ORDER BY a.n;
    END IF;
END $$;

GRANT SELECT ON journal.redeemed_token TO hub_writer, hub_projector, hub_reader;
GRANT INSERT ON journal.redeemed_token TO hub_writer;
REVOKE ALL ON FUNCTION journal.append_answers(bigint, bytea[], bigint[], text[], bytea[], text[], bigint, bytea[], boolean[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal.append_answers(bigint, bytea[], bigint[], text[], bytea[], text[], bigint, bytea[], boolean[]) TO hub_writer;
