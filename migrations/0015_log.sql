-- The log that anybody can verify (docs/log.md). Each event has a leaf in its own row: the hash of its entry, which shows stream, number, time
-- and kind, and hides the content (hub/journal/envelope.py). What the release before writes has none; the sealer computes those from the row.

ALTER TABLE journal.event ADD COLUMN leaf bytea;
COMMENT ON COLUMN journal.event.digest IS
    'HMAC-SM3 of the event as it was sent, to tell an identical resend from a conflict; of the hub''s own events, the request''s key or random bytes';
COMMENT ON COLUMN journal.event.leaf IS 'journal.leaf of the row; NULL where the release before wrote it';

CREATE FUNCTION journal.entry(
    p_position bigint, p_recorded_at timestamptz, p_sequence bigint, p_stream text, p_occurred_at timestamptz, p_kind text, p_digest bytea,
    p_data bytea
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
-- A timestamp is sent as microseconds from 2000-01-01Z; the log counts from 1970. The digest is in two halves: one shows, one blinds.
    SELECT '\x01'::bytea || int8send(p_position) || int8send(timestamptz_send(p_recorded_at)::bigint + 946684800000000)
        || int8send(p_sequence)
        || set_byte('\x00', 0, octet_length(p_stream)) || convert_to(p_stream, 'UTF8')
        || set_byte('\x00', 0, octet_length(p_kind)) || convert_to(p_kind, 'UTF8')
        || set_byte('\x00', 0, COALESCE(octet_length(substr(p_digest, 1, 16)), 0)) || COALESCE(substr(p_digest, 1, 16), '')
        || sha256(COALESCE(substr(p_digest, 17), '')
                  || COALESCE(int8send(timestamptz_send(p_occurred_at)::bigint + 946684800000000), '\x8000000000000000') || p_data)
$$;

CREATE FUNCTION journal.leaf(
    p_position bigint, p_recorded_at timestamptz, p_sequence bigint, p_stream text, p_occurred_at timestamptz, p_kind text, p_digest bytea,
    p_data bytea
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256('\x00'::bytea || journal.entry(p_position, p_recorded_at, p_sequence, p_stream, p_occurred_at, p_kind, p_digest, p_data))
$$;

CREATE FUNCTION journal.open_group(
    p_streams bigint[], p_hub_us bigint,
    OUT head_position bigint, OUT recorded_us bigint, OUT next_sequences bigint[], OUT owners text[], OUT names bytea[]
) LANGUAGE plpgsql AS $$
-- Locks the head, then the streams in id order: always in this order, so that writers cannot deadlock. The advisory lock is the queue
-- before the head: row locks alone let a busy writer take the row again before one that waits has woken up.
-- Arrays come back in the order of the arguments; NULL marks an unknown stream.
-- recorded_us counts microseconds from 2000-01-01Z, as the binary format of a timestamp does. The release before calls lock_group instead.
DECLARE last_recorded_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head_position, last_recorded_at FROM journal.head h FOR NO KEY UPDATE;
    recorded_us := (extract(epoch FROM journal.time_to_record(last_recorded_at, p_hub_us)) * 1000000)::bigint - 946684800000000;
    PERFORM FROM journal.stream s WHERE s.stream_id = ANY (p_streams) ORDER BY s.stream_id FOR NO KEY UPDATE;
    SELECT array_agg(s.next_sequence ORDER BY p.n), array_agg(s.owner ORDER BY p.n), array_agg(convert_to(s.name, 'UTF8') ORDER BY p.n)
    INTO next_sequences, owners, names
    FROM unnest(p_streams) WITH ORDINALITY p (stream_id, n) LEFT JOIN journal.stream s USING (stream_id);
END $$;

-- As before, with the request's key as digest, and the leaf.
CREATE OR REPLACE FUNCTION journal.append_answers(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_kinds text[], p_data bytea[], p_traces text[], p_hub_us bigint
) RETURNS TABLE (decision_position bigint, is_new boolean) LANGUAGE plpgsql AS $$
-- A whole group of the hub's own answers in one call: sequences are assigned under the lock, and a request key that was answered
-- before gives the old position and appends nothing. No key stands in the arrays twice. Rows come back in the order of the arguments.
DECLARE head bigint; recorded timestamptz; first_sequence bigint; stream_name text; fresh bigint[]; count bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head, recorded FROM journal.head h FOR NO KEY UPDATE;
    recorded := journal.time_to_record(recorded, p_hub_us);
    SELECT s.next_sequence, s.name INTO first_sequence, stream_name FROM journal.stream s WHERE s.stream_id = p_stream FOR NO KEY UPDATE;
    SELECT array_agg(a.n ORDER BY a.n) INTO fresh FROM unnest(p_request_keys) WITH ORDINALITY a (request_key, n)
    WHERE NOT EXISTS (SELECT FROM journal.request r WHERE r.request_key = a.request_key);
    count := COALESCE(cardinality(fresh), 0);
    IF count > 0 THEN
        INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data, leaf)
        SELECT a.position, recorded, p_stream, a.sequence, a.occurred_at, a.kind, a.digest, a.data,
               journal.leaf(a.position, recorded, a.sequence, stream_name, a.occurred_at, a.kind, a.digest, a.data)
        FROM (SELECT head + i AS position, first_sequence + i - 1 AS sequence, p_kinds[fresh[i]] AS kind, p_data[fresh[i]] AS data,
                     '1970-01-01Z'::timestamptz + p_occurred_us[fresh[i]] * interval '1 microsecond' AS occurred_at,
                     p_request_keys[fresh[i]] AS digest
              FROM generate_series(1, count) i OFFSET 0) a;
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


CREATE OR REPLACE FUNCTION journal.append_answers(
    p_stream bigint, p_request_keys bytea[], p_occurred_us bigint[], p_kinds text[], p_data bytea[], p_traces text[], p_hub_us bigint,
    p_tokens bytea[], p_redeems boolean[]
) RETURNS TABLE (decision_position bigint, is_new boolean, redeemed_position bigint) LANGUAGE plpgsql AS $$
-- A whole group of the hub's own answers in one call: sequences are assigned under the lock, and a request key that was answered
-- before gives the old position and appends nothing. No key stands in the arrays twice. Rows come back in the order of the arguments.
-- A new answer with a token ('' is none) that another answer has used is not appended: decision_position is NULL then, and
-- redeemed_position that of the other. p_redeems says which answers use their token.
DECLARE head bigint; recorded timestamptz; first_sequence bigint; stream_name text; fresh bigint[]; count bigint; has_tokens boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal.head'));
    SELECT h.position, h.recorded_at INTO head, recorded FROM journal.head h FOR NO KEY UPDATE;
    recorded := journal.time_to_record(recorded, p_hub_us);
    SELECT s.next_sequence, s.name INTO first_sequence, stream_name FROM journal.stream s WHERE s.stream_id = p_stream FOR NO KEY UPDATE;
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
        INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data, leaf)
        SELECT a.position, recorded, p_stream, a.sequence, a.occurred_at, a.kind, a.digest, a.data,
               journal.leaf(a.position, recorded, a.sequence, stream_name, a.occurred_at, a.kind, a.digest, a.data)
        FROM (SELECT head + i AS position, first_sequence + i - 1 AS sequence, p_kinds[fresh[i]] AS kind, p_data[fresh[i]] AS data,
                     '1970-01-01Z'::timestamptz + p_occurred_us[fresh[i]] * interval '1 microsecond' AS occurred_at,
                     p_request_keys[fresh[i]] AS digest
              FROM generate_series(1, count) i OFFSET 0) a;
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


-- What the sealer works as. hub_app may take it, an edge may not: nobody who runs code in an edge can write what is signed.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_sealer') THEN
        CREATE ROLE hub_sealer NOLOGIN;
    END IF;
    EXECUTE format('GRANT hub_sealer TO %I', current_user);
    GRANT hub_sealer TO hub_app;
END $$;

CREATE SCHEMA tlog;

CREATE TABLE tlog.incarnation (
    incarnation int PRIMARY KEY,
    origin text NOT NULL UNIQUE,
    genesis bytea NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE tlog.incarnation IS 'the log begins again where a restore lost what was sealed; genesis is the entry of leaf 0';

CREATE TABLE tlog.tile (
    incarnation int NOT NULL,
    level smallint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (incarnation, level, number)
);
ALTER TABLE tlog.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE tlog.tile IS '256 hashes of a level of the tree; the last tile of each level may have fewer and grows';

CREATE TABLE tlog.checkpoint (
    incarnation int NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (incarnation, size)
);
CREATE INDEX checkpoint_sealed_at ON tlog.checkpoint (sealed_at);
ALTER TABLE tlog.checkpoint ALTER COLUMN note SET STORAGE EXTERNAL;
COMMENT ON COLUMN tlog.checkpoint.size IS 'leaves of the tree: those of positions 1 to size - 1, and the genesis';

CREATE TABLE tlog.cosignature (
    incarnation int NOT NULL,
    size bigint NOT NULL,
    witness text NOT NULL,
    line text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (incarnation, size, witness)
);

REVOKE ALL ON FUNCTION journal.open_group(bigint[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal.open_group(bigint[], bigint) TO hub_writer;
GRANT USAGE ON SCHEMA journal, tlog TO hub_sealer;
GRANT USAGE ON SCHEMA tlog TO hub_writer, hub_projector, hub_reader;
GRANT SELECT ON journal.head, journal.stream, journal.event, journal.batch TO hub_sealer;
GRANT SELECT ON ALL TABLES IN SCHEMA tlog TO hub_writer, hub_projector, hub_reader, hub_sealer;
GRANT INSERT ON ALL TABLES IN SCHEMA tlog TO hub_sealer;
GRANT UPDATE (hashes) ON tlog.tile TO hub_sealer;
-- Of checkpoints that nobody has cosigned, one a minute is kept.
GRANT DELETE ON tlog.checkpoint TO hub_sealer;
-- Its fingerprint is in the first entry of the log; it is no secret.
GRANT USAGE ON SCHEMA vault TO hub_sealer;
GRANT SELECT ON vault.key_fingerprint TO hub_sealer;
