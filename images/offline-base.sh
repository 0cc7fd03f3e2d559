#!/usr/bin/env bash
# A base image without a registry: Debian 12 with its own Python 3.11, from Debian's packages. Needs mmdebstrap, and root.
#
#   images/offline-base.sh [NAME]          then: make images BASE=NAME           (ddpo-base:bookworm)
set -euo pipefail

ENGINE=${ENGINE:-docker}
name=${1:-ddpo-base:bookworm}

mmdebstrap --variant=minbase --include=ca-certificates,python3.11,python3.11-venv,python3-pip bookworm - |
	"$ENGINE" import --change 'CMD ["python3"]' - "$name"
