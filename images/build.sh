#!/usr/bin/env bash
# Build the images from a commit, never from the files that lie around it: a manifest that names the commit tells the truth.
#
#   make images                      all five, from HEAD
#   make images IMAGES='cpu airflow' BASE=ddpo-base:bookworm TORCH=cpu
#
#   ENGINE     docker (20.10 or newer)        IMAGES    cpu diffusion scoring airflow mlflow
#   BASE       instead of the pinned one      TORCH     cuda | cpu | cu126 ...  (cpu where a local wheel decides it)
#   REVISION   commit to build, HEAD          TAG       the commit's first 12 digits
#   CA_BUNDLE  certificates for the package index, or SSL_CERT_FILE; a build secret, in no layer
#   BUILD_OPTIONS   more for `docker build`, such as --network host or --pull
#
# Local wheels in UV_FIND_LINKS or PIP_FIND_LINKS are used for torch, as `make install` does.
set -euo pipefail
cd "$(dirname "$0")/.."

ENGINE=${ENGINE:-docker}
IMAGES=${IMAGES:-cpu diffusion scoring airflow mlflow}
CPU_LIMIT_MB=700
MEGABYTE=1000000

commit=$(git rev-parse --verify "${REVISION:-HEAD}^{commit}")
version=$(git show "$commit:pyproject.toml" | sed -n 's/^version = "\(.*\)"$/\1/p')
created=$(TZ=UTC git show --no-patch --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd "$commit")
tag=${TAG:-${commit:0:12}}
certificates=${CA_BUNDLE:-${SSL_CERT_FILE:-}}
wheels=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}

options=(--build-arg "COMMIT=$commit" --build-arg "VERSION=$version" --build-arg "CREATED=$created")
[[ -z ${BASE:-} ]] || options+=(--build-arg "BASE=$BASE")
[[ ! -s $certificates ]] || options+=(--secret "id=ca_bundle,src=$certificates")
read -ra more <<<"${BUILD_OPTIONS:-}"

if compgen -G "$wheels/torch-*.whl" >/dev/null; then
	TORCH=${TORCH:-cpu}
	held=ddpo-wheels:$(cd "$wheels" && stat --format '%n %s %Y' -- *.whl | sha256sum | cut -c1-12)
	"$ENGINE" image inspect "$held" >/dev/null 2>&1 || # importing it again would make every layer above it anew
		(cd "$wheels" && tar -c -- *.whl) | "$ENGINE" import - "$held" >/dev/null
	options+=(--build-arg "WHEELS=$held")
fi
options+=(--build-arg "TORCH=${TORCH:-cuda}")

[[ -z $(git status --porcelain -- pyproject.toml components dags images) || -n ${REVISION:-} ]] ||
	echo "note: uncommitted changes are not in the images: they are ${commit:0:12}" >&2

for image in $IMAGES; do
	started=$SECONDS
	git archive --format=tar "$commit" pyproject.toml README.md LICENSE components dags images |
		DOCKER_BUILDKIT=1 "$ENGINE" build --quiet --file images/Dockerfile --build-arg "IMAGE=$image" \
			"${options[@]}" "${more[@]}" --tag "ddpo-$image:$tag" --tag "ddpo-$image:local" - >/dev/null
	bytes=$("$ENGINE" image inspect --format '{{.Size}}' "ddpo-$image:$tag")
	printf '%-12s %-32s %6d MB %5d s\n' "$image" "ddpo-$image:$tag" $((bytes / MEGABYTE)) $((SECONDS - started))
	if [[ $image = cpu ]] && ((bytes > CPU_LIMIT_MB * MEGABYTE)); then
		echo "error: the cpu image is over $CPU_LIMIT_MB MB" >&2
		exit 1
	fi
done
