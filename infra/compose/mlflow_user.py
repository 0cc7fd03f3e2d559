"""Make the pipeline's user in MLflow, or give it the password that it should have.

Reads    MLFLOW_URL, MLFLOW_ADMIN_PASSWORD, MLFLOW_PASSWORD
Writes   user `ddpo`, no administrator
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request

USER = "ddpo"
EXISTS = "RESOURCE_ALREADY_EXISTS"


def main() -> None:
    """Be the command."""
    password = os.environ["MLFLOW_PASSWORD"]
    answer = ask("POST", "create", {"username": USER, "password": password})
    if answer.get("error_code") == EXISTS:
        answer = ask("PATCH", "update-password", {"username": USER, "password": password})
    if "error_code" in answer:
        sys.exit(f"MLflow refused the user {USER}: {answer['error_code']}")  # its message can hold a password's hash


def ask(method: str, call: str, body: dict[str, str]) -> dict[str, object]:
    """One call of MLflow's user API, as its administrator."""
    credentials = base64.b64encode(f"admin:{os.environ['MLFLOW_ADMIN_PASSWORD']}".encode()).decode()
    request = urllib.request.Request(
        f"{os.environ['MLFLOW_URL']}/api/2.0/mlflow/users/{call}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return dict(json.loads(response.read() or b"{}"))
    except urllib.error.HTTPError as error:
        try:
            return dict(json.loads(error.read()))
        except ValueError:
            return {"error_code": f"HTTP {error.code}"}


if __name__ == "__main__":
    main()
