#!/usr/bin/env bash
# Lock what each image installs, with hashes: the versions are constraints.txt's, so images and laptops cannot differ.
#
#   images/lock.sh          after a change of pyproject.toml, constraints.txt or images/requirements/
#
# For linux/amd64 and Python 3.11, as the images are. Index and certificates are uv's (UV_DEFAULT_INDEX, SSL_CERT_FILE);
# the locks name neither. torch and the CUDA libraries it comes with have a lock of their own: a build for CPUs replaces it.
set -euo pipefail
cd "$(dirname "$0")/.."

UV=${UV:-$(command -v uv || echo .venv/bin/uv)}
CUDA='^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)$'

resolve() { # extra arguments of uv -> requirements, one a line
	"$UV" pip compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-sources \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 --only-binary :all: \
		--constraint constraints.txt "$@"
}

lock() { # file, then extra arguments of uv
	local file=images/locks/$1.txt leave=()
	shift
	while read -r package; do leave+=(--no-emit-package "$package"); done < <(resolve "$@" | names | grep -E "$CUDA")
	resolve "$@" "${leave[@]}" --generate-hashes >"$file"
	echo "$file: $(names <"$file" | wc -l) packages"
}

names() { grep -oE '^[a-z0-9][a-z0-9.-]*==' | sed 's/==$//'; }

lock tools images/requirements/tools.in
lock cpu pyproject.toml images/requirements/cpu.in --extra report
lock diffusion pyproject.toml --extra diffusion
lock scoring pyproject.toml --extra scoring
lock mlflow images/requirements/mlflow.in
lock airflow pyproject.toml images/requirements/airflow.in --extra airflow

torch=(pyproject.toml --extra diffusion --extra scoring)
others=()
while read -r package; do others+=(--no-emit-package "$package"); done < <(resolve "${torch[@]}" | names | grep -vE "$CUDA")
resolve "${torch[@]}" "${others[@]}" --generate-hashes >images/locks/torch-cuda.txt
echo "images/locks/torch-cuda.txt: $(names <images/locks/torch-cuda.txt | wc -l) packages"
