#!/usr/bin/env bash
# Make this Debian machine fit for the system tests, run a command, and end what was started:
#
#   tests/system/debian-machine.sh make test-system
#
# Installs what is missing (as root, with apt-get): a container engine, Ceph's gateway, PostgreSQL. Starts an engine of its
# own unless one answers at DOCKER_HOST, makes the base image of Debian's packages unless BASE names one, and builds the
# images of HEAD, with their sizes. Whatever of it cannot be had ends it: nothing is skipped.
#
#   ENGINE_HOME   where the engine it starts keeps images and layers: /var/lib/ddpo-engine
set -euo pipefail
cd "$(dirname "$0")/../.."

ENGINE_HOME=${ENGINE_HOME:-/var/lib/ddpo-engine}
STARTS_WITHIN=60 # seconds
declare -A package_of=(
	[dockerd]=docker.io [docker-compose]=docker-compose [iptables]=iptables [mmdebstrap]=mmdebstrap
	[radosgw]=radosgw [ceph-mon]=ceph-mon [ceph-osd]=ceph-osd [ceph-mgr]=ceph-mgr [ceph]=ceph-common
	[/usr/lib/postgresql/15/bin/initdb]=postgresql [chromium]=chromium
)
PATH=$PATH:/usr/sbin:/usr/lib/postgresql/15/bin

missing=()
for program in "${!package_of[@]}"; do
	command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
if ((${#missing[@]})); then
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Debian's own client: another one on the path may lack BuildKit.
export ENGINE=${ENGINE:-/usr/bin/docker}
if ! "$ENGINE" version >/dev/null 2>&1; then
	mkdir -p "$ENGINE_HOME"
	export DOCKER_HOST=unix://$ENGINE_HOME/docker.sock
	dockerd --data-root "$ENGINE_HOME/data" --exec-root "$ENGINE_HOME/exec" --host "$DOCKER_HOST" \
		--pidfile "$ENGINE_HOME/pid" >"$ENGINE_HOME/log" 2>&1 &
	engine=$!
	trap 'kill "$engine" && wait "$engine" || true' EXIT
	for ((second = 0; ; second++)); do
		"$ENGINE" version >/dev/null 2>&1 && break
		if ((second == STARTS_WITHIN)) || ! kill -0 "$engine" 2>/dev/null; then
			echo "error: no container engine: $(tail -n 3 "$ENGINE_HOME/log")" >&2
			exit 1
		fi
		sleep 1
	done
fi

if [[ -z ${BASE:-} ]]; then
	export BASE=ddpo-base:bookworm
	"$ENGINE" image inspect "$BASE" >/dev/null 2>&1 || images/offline-base.sh "$BASE" >/dev/null
fi
TORCH=${TORCH:-cpu} make --no-print-directory images
export DDPO_SYSTEM_TESTS=required
"$@"
