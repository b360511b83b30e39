#!/bin/bash
# What the hub's processes log in as: it can change nothing that is recorded, and an edge no view. Migrations log in as the owner, POSTGRES_USER.
set -eu
psql --set=ON_ERROR_STOP=1 --set=app="$APP_PASSWORD" --set=edge="$EDGE_PASSWORD" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
CREATE ROLE hub_app LOGIN PASSWORD :'app';
CREATE ROLE hub_edge LOGIN PASSWORD :'edge';
GRANT pg_monitor TO hub_app, hub_edge;
SQL
