#!/bin/bash
# What the hub's processes log in as: it can change nothing that is recorded. Migrations log in as the owner, POSTGRES_USER.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$APP_PASSWORD" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
CREATE ROLE hub_app LOGIN PASSWORD :'password';
GRANT pg_monitor TO hub_app;
SQL
