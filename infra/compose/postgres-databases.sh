#!/bin/sh
# Runs once, when Postgres fills a new volume: a role and a database each for Airflow and MLflow, closed to one another.
set -eu

PGPASSWORD=$POSTGRES_PASSWORD psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
	--set airflow="$AIRFLOW_DB_PASSWORD" --set mlflow="$MLFLOW_DB_PASSWORD" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
REVOKE CONNECT ON DATABASE airflow, mlflow, mlflow_auth, postgres FROM PUBLIC;
SQL
