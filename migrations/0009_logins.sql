-- What the hub's processes log in as: a login that has the three roles' rights as its own, and nothing to go back to. Migrations need the
-- owner of the schemas, another login; whoever runs code in an edge has what the roles have, and may not change or delete what is recorded.
-- A real server's administrator makes the login first and gives it a password (docs/database.md); here it is made where there is none.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_app') THEN
        CREATE ROLE hub_app LOGIN;
    END IF;
    GRANT hub_writer, hub_projector, hub_reader TO hub_app;
    IF current_user <> 'hub_app' THEN
        -- For journal.terminate_stalled_writers, which runs as the owner: a session is ended by who has its login's rights.
        BEGIN
            GRANT hub_app TO CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'hub_app is not granted to %, hub doctor says more', current_user;
        END;
    END IF;
    -- How old other logins' transactions are is shown to nobody else.
    BEGIN
        GRANT pg_monitor TO hub_app;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'pg_monitor is not granted to hub_app, hub doctor says more';
    END;
END $$;

GRANT SELECT ON public.hub_migration TO hub_writer, hub_projector, hub_reader;
