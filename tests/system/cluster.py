"""A cluster of one node, as far as KubernetesPodOperator can tell: the API of pods over HTTP, containers by an engine.

Pods are held against Kubernetes' own schema, then started with what their spec says: command, environment, Secrets,
user, limits, read-only root, emptyDirs, deadline. The network is the host's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import docker
import kubernetes_validate
import yaml
from docker.errors import ImageNotFound, NotFound

VERSION = "1.34"
UNITS = {"Mi": 2**20, "Gi": 2**30}
MESSAGE_BYTES = 2048
"""What a kubelet keeps of a log as the termination message."""


class Pod:
    """A pod and its container."""

    def __init__(
        self, manifest: dict[str, Any], engine: docker.DockerClient, secrets: dict[str, dict[str, str]]
    ) -> None:
        self.manifest = manifest
        self.made = datetime.now(UTC)
        self.engine = engine
        self.overdue = False
        self.container: Any = None
        (spec,) = manifest["spec"]["containers"]
        try:
            self.container = self._start(spec, secrets)
        except ImageNotFound:
            self.waiting = {"reason": "ErrImageNeverPull", "message": f"no image {spec['image']}"}

    def _start(self, spec: dict[str, Any], secrets: dict[str, dict[str, str]]) -> Any:
        pod = self.manifest["spec"]
        environment = {e["name"]: e["value"] for e in spec.get("env", ())}
        for source in spec.get("envFrom", ()):
            environment |= secrets[source["secretRef"]["name"]]
        scratch = {v["name"] for v in pod["volumes"] if "emptyDir" in v}
        memory = spec["resources"]["limits"]["memory"]
        security = pod["securityContext"]
        container = self.engine.containers.create(
            spec["image"],
            [*spec["command"], *spec["args"]],
            environment=environment,
            user=f"{security['runAsUser']}:{security['runAsGroup']}",
            read_only=spec["securityContext"]["readOnlyRootFilesystem"],
            cap_drop=spec["securityContext"]["capabilities"]["drop"],
            security_opt=["no-new-privileges:true"],
            tmpfs={m["mountPath"]: "mode=1777" for m in spec["volumeMounts"] if m["name"] in scratch},
            mem_limit=int(memory[:-2]) * UNITS[memory[-2:]],
            network_mode="host",
            labels={"ddpo.cluster": "fake"},
        )
        container.start()
        return container

    def log(self) -> bytes:
        try:
            return bytes(self.container.logs()) if self.container else b""
        except NotFound:
            return b""

    def delete(self) -> None:
        if self.container:
            self.container.remove(force=True)

    def as_json(self) -> dict[str, Any]:
        return {**self.manifest, "status": self._status()}

    def _status(self) -> dict[str, Any]:
        scheduled = [{"type": "PodScheduled", "status": "True"}]
        if self.container is None:
            waiting = self._container({"waiting": self.waiting})
            return {"phase": "Pending", "conditions": scheduled, "containerStatuses": [waiting]}
        deadline = self.manifest["spec"].get("activeDeadlineSeconds", float("inf"))
        self.container.reload()
        state = self.container.attrs["State"]
        if state["Running"] and (datetime.now(UTC) - self.made).total_seconds() > deadline:
            self.overdue = True
            self.container.kill()
            self.container.wait()
            self.container.reload()
            state = self.container.attrs["State"]
        if state["Running"] or state["Status"] == "created":
            running = self._container({"running": {"startedAt": self.made.isoformat()}})
            return {"phase": "Running", "conditions": scheduled, "containerStatuses": [running]}
        code = int(state["ExitCode"])
        kind = "OOMKilled" if state["OOMKilled"] else "Completed" if code == 0 else "Error"
        told = self.log()[-MESSAGE_BYTES:].decode(errors="replace") if code else ""
        ended = self._container({"terminated": {"exitCode": code, "reason": kind, "message": told}})
        status = {"phase": "Failed" if code else "Succeeded", "conditions": scheduled, "containerStatuses": [ended]}
        if self.overdue:
            status |= {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the deadline"}
        return status

    def _container(self, state: dict[str, Any]) -> dict[str, Any]:
        (spec,) = self.manifest["spec"]["containers"]
        known = {"name": "base", "image": spec["image"], "imageID": "", "ready": False, "restartCount": 0}
        return {**known, "state": state}


class Cluster:
    """Everything that was asked of it, and the pods that there are."""

    def __init__(self, directory: Path, secrets: dict[str, dict[str, str]] | None = None) -> None:
        self.engine = docker.from_env()
        self.secrets = secrets or {}
        self.pods: dict[str, Pod] = {}
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.on_create: Callable[[Pod], None] = lambda pod: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.kubeconfig = directory / "kubeconfig"
        cluster = {"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}
        context = {"name": "fake", "context": {"cluster": "fake", "user": "nobody"}}
        users = [{"name": "nobody", "user": {}}]
        config = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "fake"}
        self.connection = json.dumps(
            {"conn_type": "kubernetes", "extra": {"kube_config_path": str(self.kubeconfig), "in_cluster": False}}
        )
        self.kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **config}))

    def close(self) -> None:
        for name in list(self.pods):
            self.delete(name)
        self._server.shutdown()
        self._server.server_close()

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        self.created.append(manifest)
        pod = self.pods[manifest["metadata"]["name"]] = Pod(manifest, self.engine, self.secrets)
        self.on_create(pod)
        return pod.as_json()

    def delete(self, name: str) -> dict[str, Any]:
        pod = self.pods.pop(name)
        self.deleted.append(name)
        pod.delete()
        return {"kind": "Status", "status": "Success"}

    def select(self, selector: str) -> list[dict[str, Any]]:
        return [pod.as_json() for pod in self.pods.values() if _selects(selector, pod.manifest["metadata"]["labels"])]


def _selects(selector: str, labels: dict[str, str]) -> bool:
    """`a=b,c!=d,!e`, as kubectl takes it."""
    for term in filter(None, selector.split(",")):
        name, differs, value = term.partition("!=")
        if differs:
            if labels.get(name) == value:
                return False
        elif term.startswith("!"):
            if term[1:] in labels:
                return False
        elif labels.get(term.partition("=")[0]) != term.partition("=")[2]:
            return False
    return True


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(asked.query).items()}
            kind, _, rest = asked.path.split("/", 5)[5].partition("/")
            name, _, part = rest.partition("/")
            if kind == "events":
                self._answer(200, {"kind": "EventList", "items": [], "metadata": {}})
            elif not name:
                self._answer(200, {"kind": "PodList", "metadata": {}, "items": cluster.select(query["labelSelector"])})
            elif name not in cluster.pods:
                self._answer(404, {"kind": "Status", "message": f'pods "{name}" not found', "code": 404})
            elif part == "log":
                if query.get("follow", "").lower() == "true" and cluster.pods[name].container:
                    cluster.pods[name].container.wait()
                self._send(200, cluster.pods[name].log(), "text/plain")
            else:
                self._answer(200, cluster.pods[name].as_json())

        def do_POST(self) -> None:
            try:
                self._answer(201, cluster.create(self._body()))
            except kubernetes_validate.ValidationError as error:
                self._answer(422, {"kind": "Status", "code": 422, "message": f"Pod is invalid: {error.message}"})

        def do_PATCH(self) -> None:
            pod = cluster.pods[urlsplit(self.path).path.rsplit("/", 1)[1]]
            pod.manifest["metadata"]["labels"] |= self._body()["metadata"]["labels"]
            self._answer(200, pod.as_json())

        def do_DELETE(self) -> None:
            name = urlsplit(self.path).path.rsplit("/", 1)[1]
            if name in cluster.pods:
                self._answer(200, cluster.delete(name))
            else:
                self._answer(404, {"kind": "Status", "message": f'pods "{name}" not found', "code": 404})

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

        def _answer(self, code: int, body: dict[str, Any]) -> None:
            self._send(code, json.dumps(body).encode(), "application/json")

        def _send(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

    return Handler
