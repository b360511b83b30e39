-- Each group of events and of answers has its time from here. extract() and a division by 1e6 reckon in numeric, which was a sixth of what
-- recording a lone answer costs the server: so the two times are compared, and the figure is made only where it is refused.

CREATE OR REPLACE FUNCTION journal.time_to_record(p_last timestamptz, p_hub_us bigint) RETURNS timestamptz LANGUAGE plpgsql AS $$
-- p_hub_us is the hub's clock in microseconds since 1970; NULL for who does not say it: the release before, and an acceptance itself.
DECLARE recorded timestamptz := greatest(p_last, clock_timestamp());
BEGIN
    IF recorded > to_timestamp(p_hub_us * 1e-6::float8) + interval '1 minute' AND recorded > journal.accepted_time() THEN
        -- The message is the figure alone; the hub reads it.
        RAISE EXCEPTION USING ERRCODE = 'HC001', MESSAGE = round(extract(epoch FROM recorded) - p_hub_us / 1e6, 1)::text;
    END IF;
    RETURN recorded;
END $$;
