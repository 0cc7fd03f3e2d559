#!/usr/bin/env bash
# Everything on this machine, as containers: `make up PROFILE=docker`. Says what is missing, starts the rest, and waits.
#
#   ./up.sh          start, or start again after a change         ./up.sh down     end it; volumes stay, but with --volumes
#
# The first time it writes .env (with random secrets) and environment.toml, names what only you can know, and ends.
set -euo pipefail
[[ -z ${DDPO_COMPOSE_SETTINGS:-} ]] || DDPO_COMPOSE_SETTINGS=$(realpath "$DDPO_COMPOSE_SETTINGS")
cd "$(dirname "$0")"

ENGINE=${ENGINE:-docker}
SETTINGS=${DDPO_COMPOSE_SETTINGS:-$PWD/.env}

refuse() {
	echo "error: $1" >&2
	exit 64
}

"$ENGINE" version >/dev/null 2>&1 || refuse "no container engine answers: start it, or name it in DOCKER_HOST"
if docker compose version >/dev/null 2>&1; then
	compose=(docker compose)
elif command -v docker-compose >/dev/null; then
	compose=(docker-compose)
else
	refuse "neither docker compose nor docker-compose is installed"
fi
compose+=(--env-file "$SETTINGS")

if [[ ${1:-up} = down ]]; then
	"${compose[@]}" down "${@:2}"
	exit
fi

[[ -f $SETTINGS ]] || cp .env.example "$SETTINGS"
./make-secrets.sh "$SETTINGS"
setting() { sed -n "s|^$1=||p" "$SETTINGS"; }
environment=$(setting DDPO_ENVIRONMENT_FILE)
environment=${environment:-$PWD/environment.toml}
if [[ ! -f $environment ]]; then
	cp ../environments/docker.toml "$environment"
	echo "$environment: made of ../environments/docker.toml: fill in the store and the images of the steps"
fi
# AWS needs no endpoint, and the embedded base no weights; all else that is empty has no default.
empty=$(sed -nE 's/^([A-Z][A-Z0-9_]*)=$/\1/p' "$SETTINGS" | grep -vxE 'AWS_ENDPOINT_URL|DDPO_WEIGHTS' | paste -sd ' ' || true)
[[ -z $empty ]] || refuse "$SETTINGS: fill in $empty"
if grep -qE '^[^#]*(registry\.example\.org|example-ddpo-store)' "$environment"; then
	refuse "$environment still names the example's store or images"
fi

"${compose[@]}" config --quiet
echo "starting: about two minutes ..."
if ! "${compose[@]}" up --detach; then
	"${compose[@]}" logs --tail=20 store-check airflow-prepare mlflow-user >&2 || true
	refuse "not all of it came up: the last lines say why"
fi
for service in scheduler dag-processor triggerer; do
	for ((second = 0; second < 300; second += 3)); do
		container=$("${compose[@]}" ps --quiet "$service")
		health=$("$ENGINE" inspect --format '{{.State.Health.Status}}' "$container" 2>/dev/null || echo gone)
		[[ $health != healthy ]] || break
		sleep 3
	done
	[[ $health = healthy ]] || refuse "$service is $health: docker-compose logs $service"
done
port() { setting "$1" | grep . || echo "$2"; }
echo "Airflow  http://localhost:$(port AIRFLOW_PORT 8080)/    admin, AIRFLOW_ADMIN_PASSWORD in $SETTINGS"
echo "MLflow   http://localhost:$(port MLFLOW_PORT 5000)/    admin, MLFLOW_ADMIN_PASSWORD"
