"""`ddpo up` and `ddpo down`: Airflow's services and MLflow's server on this machine, over what `ddpo run` left.

Everything listens on loopback and lets everybody in as administrator: a laptop's set-up, and no deployment.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from rich.console import Console

from components.core.deployment import Deployment
from components.core.errors import Conflict, Unavailable
from dags.pipeline import airflow_home, locks
from dags.pipeline.dag_names import DAG_IDS
from dags.pipeline.diverted import Diverted
from dags.pipeline.processes import Services, end, start

HOST = "127.0.0.1"
UI_VARIABLE = "DDPO_MLFLOW_URL"
"""Where links to MLflow lead: its server's page, though the tasks talk to its database."""
READY_SECONDS = 300


def up(places: Deployment, port: int, mlflow_port: int) -> None:
    """Start everything, wait until it answers, and say where it is. Twice is once."""
    running = any_up(places)
    if running and len(running.alive()) == len(running.services):
        print(_where(running))
        return
    if driven := locks.held_runs(places):
        raise Conflict(
            f"run {driven[0]} is being driven by `ddpo run`",
            hint="the scheduler would run it too: `ddpo up` after its end",
        )
    down(places, quiet=True)  # what is left of an earlier one
    with Diverted(places.logs / "up.log") as output:
        console = Console(file=output.terminal, highlight=False, soft_wrap=True)
        with console.status("preparing the database"):
            environment = _prepare(places, port)
        url = environment["AIRFLOW__API__BASE_URL"]
        services = _start(places, environment, url, _free_port(mlflow_port, {port}))
        services.save(_file(places))
        _wait(places, services, console)
        console.print(_where(services), markup=False)


def down(places: Deployment, *, quiet: bool = False) -> None:
    """End the processes that `up` remembered, and what they started."""
    known = Services.read(_file(places))
    alive = known.alive() if known else []
    end(alive)
    _file(places).unlink(missing_ok=True)
    if not quiet:
        print(f"ended {', '.join(service.name for service in alive)}" if alive else "nothing was up")


def any_up(places: Deployment) -> Services | None:
    """The services, if one of them is running."""
    known = Services.read(_file(places))
    return known if known and known.alive() else None


def _prepare(places: Deployment, port: int) -> dict[str, str]:
    """Database, pools, and settings with ports that are free. Returns the environment of the services."""
    airflow_home.configure(places, **_ports(port))
    airflow_home.migrate(places)
    from dags.pipeline import dag_runs

    dag_runs.end_abandoned(places)
    dag_runs.make_pools()
    (places.home / "mlflow").mkdir(parents=True, exist_ok=True)
    return dict(os.environ)


def _ports(port: int) -> dict[str, str]:
    """Every setting that a port stands in: with one left out, tasks talk to whatever listens on 8080."""
    port = _free_port(port)
    worker_logs = _free_port(port + 1, {port})
    trigger_logs = _free_port(worker_logs + 1, {port})
    url = f"http://{HOST}:{port}"
    return {
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
    }


def _start(places: Deployment, environment: dict[str, str], airflow_url: str, mlflow_port: int) -> Services:
    commands = {name: ["airflow", name] for name in ("api-server", "scheduler", "dag-processor", "triggerer")}
    urls = {"Airflow": airflow_url, "MLflow": places.tracking_uri}
    if not places.tracking_uri.startswith(("http://", "https://")):
        urls["MLflow"] = f"http://{HOST}:{mlflow_port}"
        commands["mlflow"] = _mlflow(places, mlflow_port)
        environment = environment | {"MLFLOW_BACKEND_STORE_URI": places.tracking_uri}  # argv is for everybody to see
    environment = {UI_VARIABLE: urls["MLflow"]} | environment
    environment = environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    started = tuple(
        start(name, command, environment, places.logs / "services" / f"{name}.log")
        for name, command in commands.items()
    )
    return Services(started, urls)


def _mlflow(places: Deployment, port: int) -> list[str]:
    artifacts = places.mlflow_artifacts.as_uri()
    return [
        *("mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--default-artifact-root", artifacts),
    ]


def _wait(places: Deployment, services: Services, console: Console) -> None:
    """Until all of it answers; a service that ended, or time that ran out, ends the rest."""
    deadline = time.monotonic() + READY_SECONDS
    waiting = set(_CHECKS)
    with console.status("starting") as status:
        while waiting:
            waiting = {name for name in waiting if not _answers(name, services.urls)}
            status.update(f"starting: waiting for {', '.join(sorted(waiting))}")
            dead = sorted({s.name for s in services.services} - {s.name for s in services.alive()})
            if waiting and (dead or time.monotonic() > deadline):
                down(places, quiet=True)
                what = f"{dead[0]} ended" if dead else f"no answer from {sorted(waiting)[0]} in {READY_SECONDS} s"
                raise Unavailable(what, hint=f"see {_log_of(services, dead[0] if dead else None)}")
            time.sleep(0.5)


def _answers(name: str, urls: dict[str, str]) -> bool:
    try:
        return _CHECKS[name](urls)
    except (urllib.error.URLError, OSError, KeyError, ValueError):
        return False


def _airflow_is_healthy(urls: dict[str, str]) -> bool:
    health = json.loads(_get(f"{urls['Airflow']}/api/v2/monitor/health"))
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all(health[part]["status"] == "healthy" for part in parts)


def _dags_are_there(urls: dict[str, str]) -> bool:
    token = json.loads(_get(f"{urls['Airflow']}/auth/token"))["access_token"]
    dags = json.loads(_get(f"{urls['Airflow']}/api/v2/dags", token))["dags"]
    return set(DAG_IDS) <= {dag["dag_id"] for dag in dags}


def _mlflow_is_healthy(urls: dict[str, str]) -> bool:
    return _get(f"{urls['MLflow']}/health") == "OK"


_CHECKS = {"Airflow": _airflow_is_healthy, "the DAGs": _dags_are_there, "MLflow": _mlflow_is_healthy}


def _get(url: str, token: str = "") -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with contextlib.closing(urllib.request.urlopen(request, timeout=10)) as answer:
        return str(answer.read().decode())


def _free_port(port: int, taken: set[int] | None = None) -> int:
    """This port or the next one that nobody listens on."""
    for candidate in range(port, port + 100):
        if candidate in (taken or ()):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
            return candidate
    raise Conflict(f"no free port from {port} to {port + 99}")


def _where(services: Services) -> str:
    pages = {"Airflow": services.urls["Airflow"], "MLflow": _runs_page(services.urls["MLflow"])}
    return "\n".join([*(f"{name:<8} {url}" for name, url in pages.items()), "`ddpo down` ends them"])


def _runs_page(url: str) -> str:
    """MLflow's table of our runs: its front page is for chat applications. The front page where there is no run yet."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "ddpo"
    try:
        found = json.loads(_get(f"{url}/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(name)}"))
        return f"{url}/#/experiments/{found['experiment']['experiment_id']}/runs"
    except (urllib.error.URLError, OSError, KeyError, ValueError):
        return url


def _log_of(services: Services, name: str | None) -> Path:
    """The log of one service, or the directory of all."""
    logs = {service.name: Path(service.log) for service in services.services}
    return logs[name] if name else next(iter(logs.values())).parent


def _file(places: Deployment) -> Path:
    return places.home / "services.json"
