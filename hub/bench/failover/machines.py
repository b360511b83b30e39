"""Three machines of one cluster, as processes on this one: each has an etcd, a Patroni with the shipped configuration, and its PostgreSQL.

What may happen to a machine: its PostgreSQL is killed; the whole machine is gone; it does not move for a while and comes back.
"""

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

import hub.bench.failover.guard
from hub.bench.failover.guard import of_directory, signal_all
from hub.child import PIPED, Child
from hub.postgres.cluster import programs_for, server_user
from hub.stage import free_port

CONFIGURATION = Path(__file__).parents[3] / "docker/patroni/patroni.yml"
NAMES = ("db1", "db2", "db3")
START_S, LOOK_AGAIN_S = 120.0, 0.1
OWNER, HUB_LOGINS = "hub_owner", ("hub_app", "hub_edge")


class PartMissing(RuntimeError):
    """A program that the cluster is made of is not installed."""


class Unsettled(RuntimeError):
    """The cluster did not come to what was waited for."""


class Machine:
    """One of the three; each of its processes runs as the unprivileged user that PostgreSQL wants."""

    def __init__(self, name: str, home: Path, user: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """*environment* is what its Patroni needs beyond its own name, addresses and place."""
        self.name, self.home, self._user = name, home, user
        self.etcd_port, self.etcd_peer_port, self.api_port, self.port = (free_port() for _ in range(4))
        api, database = f"127.0.0.1:{self.api_port}", f"127.0.0.1:{self.port}"
        self._environment = {
            **environment,
            "PATRONI_NAME": name,
            "PATRONI_RESTAPI_LISTEN": api,
            "PATRONI_RESTAPI_CONNECT_ADDRESS": api,
            "PATRONI_POSTGRESQL_LISTEN": database,
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": database,
            "PATRONI_POSTGRESQL_DATA_DIR": str(home / "postgres"),
            "PATRONI_POSTGRESQL_PGPASS": str(home / "pgpass"),
        }
        self._etcd: Child | None = None
        self._patroni: Child | None = None
        home.mkdir()
        if user:
            os.chown(home, user["user"], user["group"])

    def start(self, machines: "list[Machine]") -> None:
        """Starts what does not run of its etcd and its Patroni, which starts PostgreSQL."""
        if self._etcd is None or self._etcd.poll() is not None:
            self._etcd = self._run(_etcd_command(self, machines), "etcd")
        if self._patroni is None or self._patroni.poll() is not None:
            hosts = ",".join(f"127.0.0.1:{machine.etcd_port}" for machine in machines)
            command = [*python_of(self._user), "-m", "patroni", str(CONFIGURATION)]
            self._patroni = self._run(command, "patroni", {"PATRONI_ETCD3_HOSTS": hosts})

    def kill_postgres(self) -> None:
        """Kills every process of its PostgreSQL."""
        signal_all(of_directory(self.home), signal.SIGKILL)

    def kill(self) -> None:
        """Takes the machine away."""
        # Patroni first, so that it does not see the others go.
        for child in (self._patroni, self._etcd):
            if child is not None:
                child.kill()
        self.kill_postgres()
        for child in (self._patroni, self._etcd):
            if child is not None:
                child.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends everything on it a signal."""
        for child in (self._patroni, self._etcd):
            if child is not None and child.poll() is None:
                child.send_signal(number)
        signal_all(of_directory(self.home), number)

    def has_failed(self) -> bool:
        """Whether one of its programs has ended by itself."""
        return any(child is not None and (child.poll() or 0) > 0 for child in (self._etcd, self._patroni))

    def cluster(self) -> dict[str, Any]:
        """Returns what its Patroni says of the cluster, nothing while it does not answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.api_port}/cluster", timeout=2) as response:
                return dict(json.load(response))
        except OSError:
            return {}

    def _run(self, command: list[str], log: str, further: Mapping[str, str] = {}) -> Child:
        as_user = ["setpriv", "--reuid", str(self._user["user"]), "--regid", str(self._user["group"]), "--clear-groups"]
        with (self.home / f"{log}.log").open("ab") as said:
            return Child(
                [*(as_user if self._user else []), *command], {**self._environment, **further}, stdout=said, stderr=said, cwd=self.home
            )


class Machines:
    """The cluster of all three."""

    def __init__(self, home: Path) -> None:
        """Everything lies below *home*, which the user of PostgreSQL can reach; raises PartMissing."""
        if shutil.which("etcd") is None:
            raise PartMissing("etcd is not installed: `make system-deps` as root, or Debian's package etcd-server")
        if importlib.util.find_spec("patroni") is None:
            raise PartMissing("Patroni is not installed: `make setup`, or `pip install patroni[etcd3]`")
        user = server_user()
        self._superuser, self.passwords = secrets.token_hex(16), {name: secrets.token_hex(16) for name in (OWNER, *HUB_LOGINS)}
        environment = {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(Path(psycopg.__file__).parents[1]),
            "PATRONI_POSTGRESQL_BIN_DIR": str(programs_for(user)),
            "PATRONI_SUPERUSER_USERNAME": "postgres",
            "PATRONI_SUPERUSER_PASSWORD": self._superuser,
            "PATRONI_REPLICATION_USERNAME": "replicator",
            "PATRONI_REPLICATION_PASSWORD": secrets.token_hex(16),
        }
        self.home = home
        self.machines = [Machine(name, home / name, user, environment) for name in NAMES]

    def start(self) -> None:
        """Starts all and waits until they are one cluster."""
        for machine in self.machines:
            machine.start(self.machines)
        self.await_whole()

    def stop(self) -> None:
        """Ends everything at once; nothing is to be kept."""
        for machine in self.machines:
            machine.kill()

    def primary(self) -> Machine | None:
        """Returns the machine that the cluster says is its primary, None while there is none."""
        for machine in self.machines:
            for member in machine.cluster().get("members", []):
                if member["role"] == "leader" and member["state"] == "running":
                    return next(one for one in self.machines if one.name == member["name"])
        return None

    def await_whole(self) -> Machine:
        """Waits until one is the primary and both others follow it, each good for a commit; returns the primary."""

        def look() -> Machine | None:
            members = self.machines[0].cluster().get("members", [])
            roles = sorted(str(member["role"]) for member in members if member["state"] in ("running", "streaming"))
            timelines = {member.get("timeline") for member in members}
            return self.primary() if roles == ["leader", "quorum_standby", "quorum_standby"] and len(timelines) == 1 else None

        return self._await("the cluster is whole", look)

    def await_other_primary(self, former: Machine) -> Machine:
        """Waits until another machine than *former* is the primary, as the others see it."""

        def look() -> Machine | None:
            found = None
            for machine in self.machines:
                if machine is not former:
                    found = next((m["name"] for m in machine.cluster().get("members", []) if m["role"] == "leader"), None) or found
            return next((one for one in self.machines if one.name == found and one is not former), None)

        return self._await("another primary", look)

    def dsn(self, login: str = "postgres", database: str = "hub") -> str:
        """Returns the conninfo of the primary, whichever machine that is: all are named, and only who takes writes is taken."""
        password = self._superuser if login == "postgres" else self.passwords[login]
        ports = ",".join(str(machine.port) for machine in self.machines)
        hosts = ",".join("127.0.0.1" for _ in self.machines)
        return make_conninfo(host=hosts, port=ports, user=login, password=password, dbname=database, target_session_attrs="read-write")

    def standby_dsn(self, machine: Machine, login: str) -> str:
        """Returns the conninfo of one machine, whatever it is at the time."""
        return make_conninfo(self.dsn(login), host="127.0.0.1", port=str(machine.port), target_session_attrs="any")

    def _await(self, what: str, look: Callable[[], Machine | None]) -> Machine:
        give_up_at = time.monotonic() + START_S
        while (found := look()) is None:
            if time.monotonic() > give_up_at or any(machine.has_failed() for machine in self.machines):
                raise Unsettled(f"not within {START_S:.0f} s: {what}\n{self.logs()}")
            time.sleep(LOOK_AGAIN_S)
        return found

    def logs(self) -> str:
        """Returns the end of each Patroni's log."""
        texts = {m.name: (m.home / "patroni.log").read_text(encoding="utf-8", errors="replace")[-1_500:] for m in self.machines}
        return "\n".join(f"{name}: {text}" for name, text in texts.items())


@contextlib.contextmanager
def cluster(home: Path) -> Iterator[Machines]:
    """Yields a whole cluster with the logins and the database that docs/database.md asks for, and ends it afterwards."""
    machines = Machines(home)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", hub.bench.failover.guard.__file__, str(home)], stdin=subprocess.PIPE, start_new_session=True, env=PIPED
    ):
        try:
            machines.start()
            _make_logins(machines)
            yield machines
        finally:
            machines.stop()


def _make_logins(machines: Machines) -> None:
    with psycopg.connect(machines.dsn(database="postgres"), autocommit=True) as connection:
        passwords = machines.passwords
        for statement in _LOGINS.format(**passwords).split(";"):
            connection.execute(statement.encode())


def python_of(user: Mapping[str, Any]) -> list[str]:
    """Returns how a user starts a Python with what Patroni needs, and nothing of the system's own packages; raises PartMissing."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            command = [python, "-S", "-c", "import patroni.dcs.etcd3, psycopg"]
            environment = {"PYTHONPATH": str(Path(psycopg.__file__).parents[1])}
            if subprocess.run(command, check=False, cwd="/", env=environment, capture_output=True, **user).returncode == 0:
                return command[:2]
    raise PartMissing(
        f"user {user.get('user', os.geteuid())} has no Python that starts Patroni: open the directories above {sys.executable}"
    )


def _etcd_command(machine: Machine, machines: list[Machine]) -> list[str]:
    peers = ",".join(f"{one.name}=http://127.0.0.1:{one.etcd_peer_port}" for one in machines)
    clients, peer = f"http://127.0.0.1:{machine.etcd_port}", f"http://127.0.0.1:{machine.etcd_peer_port}"
    return [
        "etcd", "--name", machine.name, "--data-dir", str(machine.home / "etcd"),
        "--listen-client-urls", clients, "--advertise-client-urls", clients,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", peers,
    ]  # fmt: skip


# As in docs/database.md.
_LOGINS = """
    CREATE ROLE hub_owner LOGIN CREATEROLE PASSWORD '{hub_owner}';
    CREATE ROLE hub_app LOGIN PASSWORD '{hub_app}';
    CREATE ROLE hub_edge LOGIN PASSWORD '{hub_edge}';
    CREATE ROLE hub_writer NOLOGIN ADMIN hub_owner;
    CREATE ROLE hub_projector NOLOGIN ADMIN hub_owner;
    CREATE ROLE hub_reader NOLOGIN ADMIN hub_owner;
    CREATE ROLE hub_console NOLOGIN ADMIN hub_owner;
    CREATE ROLE hub_sealer NOLOGIN ADMIN hub_owner;
    GRANT hub_app, hub_edge TO hub_owner WITH ADMIN OPTION;
    GRANT pg_monitor TO hub_app, hub_edge;
    GRANT pg_signal_backend TO hub_owner;
    CREATE DATABASE hub OWNER hub_owner ENCODING 'UTF8' TEMPLATE template0"""
