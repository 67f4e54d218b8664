#!/usr/bin/env bash
# Run by the postgres image when its volume is new: two roles, each with a database that the other cannot enter.
set -euo pipefail

for name in identity work; do
  new_password=$(printenv "${name^^}_DATABASE_PASSWORD")
  export new_password
  psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set name="$name" <<'SQL'
\getenv password new_password
SET log_statement = 'none';
SET password_encryption = 'scram-sha-256';
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
