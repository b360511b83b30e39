-- The first line of an error may quote a value that names a person: sessions leave it to their client, background processes log theirs.
ALTER ROLE ALL SET log_min_messages = 'log';
