#!/bin/sh
# Runs once, when Postgres fills a new volume: a role and a database each for Airflow and MLflow, closed to one another.
set -eu

PGPASSWORD=$POSTGRES_PASSWORD psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
	--set airflow="$AIRFLOW_DB_PASSWORD" --set mlflow="$MLFLOW_DB_PASSWORD" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
-- UTF-8, whatever the cluster's own encoding is: a DAG's text is not ASCII.
CREATE DATABASE airflow OWNER airflow TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE mlflow OWNER mlflow TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE mlflow_auth OWNER mlflow TEMPLATE template0 ENCODING 'UTF8';
REVOKE CONNECT ON DATABASE airflow, mlflow, mlflow_auth, postgres FROM PUBLIC;
SQL
