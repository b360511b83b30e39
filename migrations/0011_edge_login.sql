-- What an edge logs in as: it asks, answers and appends, and may not touch the views, which answers rest on. hub_app goes on having all
-- three roles, for the projector and for commands. Where an edge has a login of its own, whoever runs code in it can no longer make a lost
-- card good by a row of views.card_standing. A real server's administrator makes the login first and gives it a password (docs/database.md).

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_edge') THEN
        CREATE ROLE hub_edge LOGIN;
    END IF;
    GRANT hub_writer, hub_reader TO hub_edge;
    IF current_user <> 'hub_edge' THEN
        -- For journal.terminate_stalled_writers, as with hub_app.
        BEGIN
            GRANT hub_edge TO CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'hub_edge is not granted to %, hub doctor says more', current_user;
        END;
    END IF;
    BEGIN
        GRANT pg_monitor TO hub_edge;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'pg_monitor is not granted to hub_edge, hub doctor says more';
    END;
END $$;
