-- The number in a partition's name was cast for whatever rows of pg_class the plan came by, so that with fresh statistics of the catalog
-- the function could fail over another table's name.

CREATE OR REPLACE FUNCTION journal.ensure_partitions(OUT ahead int) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
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
    WHERE i.inhparent = 'journal.event'::regclass
      AND CASE WHEN c.relname ~ '^event_[0-9]+$' THEN substr(c.relname, 7)::bigint * size > head END;
END $$;
