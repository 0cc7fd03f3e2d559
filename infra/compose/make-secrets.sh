#!/usr/bin/env bash
# Fill the empty secrets of an .env file with random ones. What is set stays: run it again after an update.
#
#   ./make-secrets.sh .env
set -euo pipefail
file=${1:?which file? ./make-secrets.sh .env}
[ -f "$file" ] || { echo "there is no $file: cp .env.example $file first" >&2; exit 64; }
chmod 600 "$file"

fill() { # name, value: only where the file has the name and nothing behind it
	if grep -qE "^$1=$" "$file"; then
		sed -i "s|^$1=$|$1=$2|" "$file"
		echo "$1: made"
	fi
}

for name in POSTGRES_PASSWORD AIRFLOW_DB_PASSWORD MLFLOW_DB_PASSWORD AIRFLOW_API_SECRET_KEY AIRFLOW_JWT_SECRET \
	AIRFLOW_ADMIN_PASSWORD MLFLOW_ADMIN_PASSWORD MLFLOW_PASSWORD MLFLOW_SECRET_KEY; do
	fill "$name" "$(openssl rand -hex 32)"
done
fill AIRFLOW_FERNET_KEY "$(openssl rand -base64 32 | tr '+/' '-_')" # 32 bytes, URL-safe
