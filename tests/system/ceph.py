"""A Ceph object gateway of one node, from Debian's own packages: the S3 server that the deployments are tested on.

For a developer, until Ctrl-C (needs radosgw, ceph-mon, ceph-osd, ceph-mgr and ceph-common):

    python -m tests.system.ceph
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from tests.infra.postgres import free_port

PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "monmaptool")
BUCKET = "ddpo"
REGION = "us-east-1"
STARTS_WITHIN = 180
"""Seconds that one part of it may take on a busy machine; a quiet one needs 15 for all."""

# Nobody else speaks to it and nothing outlives it: no keys, one copy, objects in memory, no modules in the manager.
SETTINGS = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}]
ms_bind_ipv4 = true
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_cluster_mode = crc secure
ms_service_mode = crc secure
ms_client_mode = crc secure
ms_mon_cluster_mode = crc secure
ms_mon_service_mode = crc secure
ms_mon_client_mode = crc secure
run_dir = {home}
admin_socket = {home}/$name.asok
log_file = {home}/$name.log
pid_file =
crash_dir = {home}
mon_data = {home}/mon
mon_data_avail_crit = 1
mon_allow_pool_size_one = true
mgr_data = {home}/mgr
mgr_initial_modules =
osd_data = {home}/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
rgw_data = {home}/rgw
rgw_thread_pool_size = 64
"""


@dataclass
class Ceph:
    """A gateway that answers, a user's keys, and an empty bucket."""

    home: Path
    port: int
    host: str = "127.0.0.1"
    """Address that the gateway listens on."""
    access_key: str = field(default_factory=lambda: secrets.token_hex(10))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL must say."""
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3, and so every step, finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def new_bucket(self, name: str) -> str:
        """Make a bucket; its URI."""
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
        )
        client.create_bucket(Bucket=name)
        return f"s3://{name}"

    def start_gateway(self) -> None:
        """Start radosgw, until it answers."""
        self._daemon("radosgw", "-n", "client.rgw", "--rgw-frontends", f"beast endpoint={self.host}:{self.port}")
        _until(self._answers, f"the gateway on port {self.port}", self.processes["radosgw"])

    def stop_gateway(self) -> None:
        """End radosgw as a node does that fails: no request is finished. What was answered stays in the cluster."""
        gateway = self.processes.pop("radosgw")
        gateway.kill()
        gateway.wait()

    def start(self) -> None:
        """Everything, in the order in which each needs the one before."""
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        mon_port = free_port()
        for part in ("mon", "mgr", "osd", "rgw"):
            (self.home / part).mkdir()
        (self.home / "ceph.conf").write_text(SETTINGS.format(fsid=fsid, home=self.home, mon_port=mon_port))
        monmap = str(self.home / "monmap")
        self._tool("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", monmap)
        self._tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._daemon("ceph-mon", "-i", "a")
        self._tool("ceph", "osd", "new", osd)  # waits until the monitor answers
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "-i", "0")
        self._daemon("ceph-mgr", "-i", "a")  # before radosgw-admin, which else waits for ever
        _until(lambda: b"1 up" in self._tool("ceph", "osd", "stat"), "the OSD", self.processes["ceph-osd"])
        keys = ("--access-key", self.access_key, "--secret-key", self.secret_key)
        self._tool("radosgw-admin", "user", "create", "--uid=ddpo", "--display-name=ddpo", *keys)
        self.start_gateway()
        self.new_bucket(BUCKET)

    def stop(self) -> None:
        """End the processes that were started here, by their ids."""
        for process in reversed(self.processes.values()):
            process.kill()  # its data goes with the directory
            process.wait()
        self.processes.clear()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _daemon(self, program: str, *arguments: str) -> None:
        with (self.home / f"{program}.out").open("ab") as said:
            command = [program, "-f", "-c", str(self.home / "ceph.conf"), *arguments]
            self.processes[program] = subprocess.Popen(command, stdout=said, stderr=said, cwd=self.home)

    def _tool(self, program: str, *arguments: str) -> bytes:
        settings = [] if program == "monmaptool" else ["-c", str(self.home / "ceph.conf")]
        done = subprocess.run(
            [program, *settings, *arguments], capture_output=True, cwd=self.home, timeout=STARTS_WITHIN
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments[:3])}: {done.stderr.decode()[-2000:]}")
        return done.stdout


def missing() -> list[str]:
    """Programs that are not installed here."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Ceph]:
    """A gateway while this is open. Raises RuntimeError with Ceph's own words where a part does not start."""
    with tempfile.TemporaryDirectory(prefix="ceph-", ignore_cleanup_errors=True) as directory:
        ceph = Ceph(Path(directory), free_port(), host)
        try:
            ceph.start()
            yield ceph
        finally:
            ceph.stop()


def _until(condition: Callable[[], bool], what: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode}: {process.args!r}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come up in {STARTS_WITHIN} s")
        time.sleep(0.2)


def main() -> None:
    """Serve until Ctrl-C."""
    if absent := missing():
        raise SystemExit(f"not installed: {', '.join(absent)} (apt-get install radosgw ceph-mon ceph-osd ceph-mgr)")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serving() as ceph:
        for name, value in ceph.environment.items():
            print(f"export {name}={value}")
        print(f"export DDPO_STORE=s3://{BUCKET}/store", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
