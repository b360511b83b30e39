"""A hub that is killed, stopped and cut off while systems send to it and ask it; the rounds are drawn from a seed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from hub.bench.disturbances import postmaster_pid, stop_the_database
from tests.hub_process import CHONGQING, SICHUAN, Process, RunningHub
from tests.senders import Asker, KitSender, Sender, slow_down

STOP_S = 8.0
FINISH_S = 30.0


class Disturbed:
    """A hub with two edges; the methods are what may happen to it while two senders, the kit and a service point are at work."""

    def __init__(self, hub: RunningHub, seed: int) -> None:
        self.hub = hub
        self.chance = random.Random(seed)
        self.senders = [Sender(hub, SICHUAN, "sc.usage", 0, seed + 1), Sender(hub, CHONGQING, "cq.usage", 1, seed + 2)]
        self.kit = KitSender(hub, hub.data_dir / "outbox.sqlite")
        self.asker = Asker(hub, seed + 3)
        slow_down(*self.senders, self.kit, self.asker)
        # When the sender at the other edge was answered while an edge was stopped with the head in its hands.
        self.went_on_after_s: list[float] = []

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Lets the systems begin, and come to their end."""
        systems = (*self.senders, self.kit, self.asker)
        for system in systems:
            system.start()
        try:
            yield
        finally:
            end_s = time.monotonic() + FINISH_S
            for system in systems:
                system.finish(max(0.0, end_s - time.monotonic()))

    def work(self, least_s: float, most_s: float) -> None:
        """Leaves the hub alone for a while."""
        time.sleep(self.chance.uniform(least_s, most_s))

    def kill_an_edge(self) -> None:
        """Kills an edge and starts it again at the same address."""
        edge = self.chance.randrange(2)
        self.hub.edges[edge].kill()
        self.hub.edges[edge] = Process(["serve", "--listen", self.hub.targets[edge]], self.hub.dsn, self.hub.data_dir)
        self.hub.edges[edge].start()

    def cut_the_writers(self) -> None:
        """Has the server end the writers' connections."""
        with psycopg.connect(self.hub.dsn) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_WRITERS}")

    def stop_an_edge_in_mid_transaction(self) -> None:
        """Stops an edge for STOP_S while it holds the head and the other one is written to; tries at random moments until it does."""
        number = self.chance.randrange(2)
        busy, other = self.senders
        edge = self.hub.edges[number]
        with psycopg.connect(self.hub.dsn, autocommit=True) as connection:
            busy.pause_s, busy.is_bound, other.is_bound = 0.0, True, True
            busy.edge, other.edge = number, 1 - number
            for _ in range(500):
                self.work(0.005, 0.03)
                if (busy.edge_in_use, other.edge_in_use) != (number, 1 - number):
                    continue
                edge.signal(signal.SIGSTOP)
                time.sleep(0.01)
                # A second look: a session of the other edge is soon done.
                if connection.execute(_HOLDS_THE_HEAD, ("0 s",)).fetchone():
                    time.sleep(0.2)
                    if connection.execute(_HOLDS_THE_HEAD, ("0.2 s",)).fetchone():
                        break
                edge.signal(signal.SIGCONT)
            else:
                raise AssertionError("no stop met the edge with the head in its hands")
        stopped_at_s = time.monotonic()
        time.sleep(STOP_S)
        edge.signal(signal.SIGCONT)
        busy.pause_s, busy.is_bound, other.is_bound = 0.1, False, False
        self.went_on_after_s = [at_s - stopped_at_s for at_s in other.acknowledged_at_s if at_s > stopped_at_s + 0.1]

    def stop_the_database(self, data_dir: Path) -> None:
        """Stops every process of the database for a while."""
        stop_the_database(data_dir, self.chance.uniform(0.5, 2.0))

    def kill_the_database(self, data_dir: Path) -> None:
        """Kills the postmaster and starts the database again."""
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        # Not from here: to become another user a process forks, and a fork of a process with gRPC at work may abort.
        imports = "from pathlib import Path; from hub.postgres.server import EmbeddedPostgres"
        start = f"{imports}; EmbeddedPostgres(Path({str(data_dir)!r})).start()"
        subprocess.run([sys.executable, "-c", start], check=True, timeout=60)


_WRITERS = "application_name = 'hub-writer' AND datname = current_database()"
_HOLDS_THE_HEAD = f"""
    SELECT pid FROM pg_stat_activity
    WHERE {_WRITERS} AND wait_event = 'ClientRead' AND xact_start < clock_timestamp() - %s::interval"""
