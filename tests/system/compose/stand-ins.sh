#!/usr/bin/env bash
# Images that compose takes from registries, made here of Debian's packages: Postgres, and a proxy before the engine's
# socket that reads compose's own rules. For tests: needs mmdebstrap, root, and BASE (images/offline-base.sh).
#
#   tests/system/compose/stand-ins.sh          ddpo-test-postgres:local, ddpo-test-socket-proxy:local
set -euo pipefail
cd "$(dirname "$0")"

ENGINE=${ENGINE:-docker}
BASE=${BASE:-ddpo-base:bookworm}
packages=ddpo-test-postgres:packages

"$ENGINE" image inspect "$packages" >/dev/null 2>&1 ||
	mmdebstrap --quiet --variant=minbase --include=postgresql bookworm - | "$ENGINE" import - "$packages" >/dev/null
export DOCKER_BUILDKIT=1
"$ENGINE" build --quiet --tag ddpo-test-postgres:local --file - . >/dev/null <<DOCKERFILE
FROM $packages
RUN groupmod --non-unique --gid 999 postgres && usermod --non-unique --uid 999 postgres \
    && install --directory --owner=999 --group=999 --mode=700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --chmod=755 postgres-entrypoint.sh /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
DOCKERFILE
"$ENGINE" build --quiet --tag ddpo-test-socket-proxy:local --file - . >/dev/null <<DOCKERFILE
FROM $BASE
WORKDIR /proxy
COPY socket_proxy.py .
RUN printf '#!/bin/sh\nexec python3 -c "import socket; socket.create_connection((\\"127.0.0.1\\", 2375), 3)"\n' >healthcheck \
    && chmod +x healthcheck
ENTRYPOINT ["python3", "socket_proxy.py"]
DOCKERFILE
