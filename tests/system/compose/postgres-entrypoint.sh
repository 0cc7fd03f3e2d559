#!/bin/sh
# What compose expects of the official image of Postgres: a database on a new volume, the scripts once, then the server.
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
	printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
	# shellcheck disable=SC2086  # several options in one variable, as the official image reads it
	initdb --pgdata="$data" --username="$POSTGRES_USER" --pwfile=/tmp/password $POSTGRES_INITDB_ARGS >/dev/null
	rm /tmp/password
	echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
	pg_ctl --pgdata="$data" --options="-c listen_addresses=''" --wait --silent start
	for script in /docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
	pg_ctl --pgdata="$data" --wait --silent stop
fi
exec postgres -D "$data" -c listen_addresses='*'
