-- What the console (hub/console) keeps of its own: who may sign in, sessions, one-time links, failures. Nothing of it is a record of the
-- exchange, so it is neither in the journal nor in a backup. An edge has no part in it: only hub_app takes this role.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_console') THEN
        CREATE ROLE hub_console NOLOGIN;
    END IF;
    EXECUTE format('GRANT hub_console TO %I', current_user);
    GRANT hub_console TO hub_app;
END $$;

CREATE SCHEMA console;

CREATE TABLE console.account (
    name text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9._@-]{1,64}$'),
    title text NOT NULL,
    roles text[] NOT NULL CHECK (NOT roles @> ARRAY['ADMINISTRATOR', 'AUDITOR']),
    provinces text[] NOT NULL,
    -- Empty where a name comes by link or from a provider of identities alone.
    password text NOT NULL DEFAULT '',
    -- Sealed as the vault seals: key version, nonce + ciphertext + tag.
    totp_key_version int NOT NULL DEFAULT 0,
    totp_sealed bytea NOT NULL DEFAULT '',
    -- A step of the clock counts once.
    totp_step bigint NOT NULL DEFAULT 0,
    recovery text[] NOT NULL DEFAULT '{}',
    is_disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE console.session (
    digest bytea PRIMARY KEY,
    account text NOT NULL REFERENCES console.account (name) ON DELETE CASCADE,
    token text NOT NULL,
    way text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX session_account ON console.session (account);

-- What a session may look at for a while: a card that was found, under a random handle, or a subject for which a purpose was given.
CREATE TABLE console.subject (
    session bytea NOT NULL REFERENCES console.session (digest) ON DELETE CASCADE,
    handle text NOT NULL,
    card_key bytea,
    issuing_province text NOT NULL DEFAULT '',
    shown_as text NOT NULL DEFAULT '',
    purpose text NOT NULL DEFAULT '',
    until timestamptz NOT NULL,
    PRIMARY KEY (session, handle)
);

CREATE TABLE console.link (
    digest bytea PRIMARY KEY,
    account text NOT NULL REFERENCES console.account (name) ON DELETE CASCADE,
    until timestamptz NOT NULL
);

-- What is counted against somebody: sign-ins that failed, by name and by address, and searches for cards.
CREATE TABLE console.attempt (
    about text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX attempt_about ON console.attempt (about, at);

GRANT USAGE ON SCHEMA console TO hub_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA console TO hub_console;
