"""Puts a sandbox together, runs it until a signal comes, and does what its page and its commands ask for."""

import asyncio
import contextlib
import hashlib
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, feed_service_pb2_grpc, hub_decisions_pb2

from hub.admin.participants import all_but_newest, changing, take_in, withdraw
from hub.domain.errors import HubError
from hub.domain.participant import PREFIX
from hub.file_lock import locks
from hub.journal.recorder import AggregateStore
from hub.loopback import channel_options, is_loopback
from hub.postgres.server import discard, running
from hub.sandbox.faults import KINDS, Fault, FaultUnknown
from hub.sandbox.front import Front
from hub.sandbox.partner import Partner
from hub.sandbox.recording import Exchange
from hub.sandbox.world import World, publish_hotlist, world
from hub.stage import CARD_CENTRES, PARTICIPANTS
from hub.trust.authority import CertificateFiles, participant_files
from hub.trust.hotlist_key import open_hotlist_key
from hub.trust.rotation import issue_further

OTHER = {"50": "51", "51": "50"}
DEADLINE_S = 10.0
MOST_FOUND = 500
# What is done to the hub itself; what is done to messages is in `faults.KINDS`.
TO_THE_HUB = {
    "edge-restart": ("边缘节点重启", "the edge restarts in order: its streams end with OK"),
    "edge-kill": ("边缘节点被杀", "the edge is killed and started again"),
    "second-edge": ("第二个边缘节点", "a second edge answers behind the second address"),
    "slow-database": ("数据库变慢", "each commit waits, for so many seconds"),
    "end-streams": ("结束所有长流", "every open call ends with OK now"),
}


class NotLoopback(HubError):
    """沙箱只在本机监听 a sandbox listens on this machine alone: use an address such as 127.0.0.1:7643, not"""


class SandboxRuns(HubError):
    """这个目录上已有一个在运行 one runs on this folder already; end it, or set HUB_DATA_DIR to another:"""


class PageAddressTaken(HubError):
    """网页的地址不能监听 the address of the page cannot be listened on; name another with --page:"""


@contextlib.contextmanager
def alone_on(data_dir: Path) -> Iterator[None]:
    """Keeps a second sandbox from a folder that one empties and uses; raises SandboxRuns."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with data_dir.with_name(f"{data_dir.name}.lock").open("wb") as lock:
        if not locks(lock):
            raise SandboxRuns(str(data_dir))
        yield


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """*province* is whose developers use it, *doors* are the two addresses for clients, *page* that of the page."""

    data_dir: Path
    province: str
    doors: tuple[str, str]
    page: str


class Sandbox:
    """The parts of a running one, and what can be asked of them; used from one event loop."""

    def __init__(self, settings: SandboxSettings, hub: World, front: Front, partner: Partner) -> None:
        """All have been started."""
        self.settings, self.hub, self.front, self.partner = settings, hub, front, partner
        # What is done to the hub is done one after the other.
        self._alone = asyncio.Lock()
        # What was found in events behind a refusal: a page that is renewed twice a second asks once.
        self._found: dict[tuple[str, ...], dict[int, list[hub_decisions_pb2.RuleViolation]]] = {}

    @property
    def participant(self) -> str:
        """The name of the participant that is developed."""
        return CARD_CENTRES[self.settings.province]

    @property
    def files(self) -> CertificateFiles:
        """Its newest certificate."""
        return participant_files(self.hub.data_dir / "certificates", PREFIX + self.participant)

    def described(self) -> dict[str, Any]:
        """Says where everything is, for clients and for people."""
        files = self.files
        return {
            "sandbox": True,
            "targets": self.front.targets,
            "participant": self.participant,
            "province": self.settings.province,
            "feeds": PARTICIPANTS[self.participant][2],
            "authority": str(files.authority),
            "certificate": str(files.certificate),
            "key": str(files.key),
            "hotlist_key": open_hotlist_key(self.hub.data_dir / "keys").public.hex(),
            "dsn": self.hub.dsn,
            "data_dir": str(self.hub.data_dir),
            "ahead_s": self.hub.ahead_s,
            "armed": [{"kind": fault.kind, "times": fault.times, "after": fault.after} for fault in self.front.faults.armed()],
            "partner": self.partner.done,
        }

    async def reset(self) -> float:
        """Begins again; returns the seconds it took. Raises NothingToBeginWith, and then the hub goes on as it is."""
        async with self._alone:
            self.front.faults.clear()
            self.front.end_streams(grpc.StatusCode.UNAVAILABLE)
            await self.front.forget_edges()
            took_s = await asyncio.to_thread(self.hub.reset)
            self.front.recording.clear()
            self.partner.done.clear()
            return took_s

    async def break_(self, fault: Fault) -> None:
        """Arms a fault, or does at once what is done to the hub; raises FaultUnknown."""
        acts: dict[str, Callable[[], object]] = {
            "edge-restart": self.hub.restart_edge,
            "edge-kill": lambda: self.hub.restart_edge(signal.SIGKILL),
            "second-edge": self._add_second_edge,
            "slow-database": lambda: self.hub.slow_down(fault.seconds),
        }
        if fault.kind not in (*KINDS, *TO_THE_HUB):
            raise FaultUnknown(", ".join((*KINDS, *TO_THE_HUB)))
        if fault.kind == "end-streams":
            self.front.end_streams()
        elif fault.kind in acts:
            async with self._alone:
                await asyncio.to_thread(acts[fault.kind])
        else:
            self.front.faults.arm(fault)

    def _add_second_edge(self) -> None:
        self.hub.add_second_edge()
        self.front.edges = list(self.hub.edges)

    async def set_clock(self, ahead_s: float) -> None:
        """Sets the hub's clock so far ahead of the real one; raises ClockUnfit."""
        async with self._alone:
            await asyncio.to_thread(self.hub.set_clock, ahead_s)

    async def next_certificate(self) -> CertificateFiles:
        """Issues another certificate beside those there are."""
        return await asyncio.to_thread(issue_further, self.hub.data_dir / "certificates", PREFIX + self.participant)

    async def withdraw_older(self) -> None:
        """Withdraws all certificates of the participant but the newest; raises NothingOlder."""
        await asyncio.to_thread(self._withdraw)

    def _withdraw(self) -> None:
        now = datetime.now(UTC)
        with contextlib.closing(AggregateStore(self.hub.dsn)) as store, changing(store, self.participant) as participant:
            take_in(participant, self.hub.data_dir / "certificates", now)
            withdraw(participant, all_but_newest(participant), "ROTATED", now)

    async def validate(
        self, exchange: Exchange, feed: str, events: Sequence[event_pb2.Event]
    ) -> dict[int, list[hub_decisions_pb2.RuleViolation]]:
        """Asks the edge, as the sender would, what of events would be quarantined; nothing where it does not say."""
        if exchange.participant not in PARTICIPANTS:
            return {}
        digest = hashlib.sha256(b"".join(event.SerializeToString(deterministic=True) for event in events)).hexdigest()
        asked = (exchange.participant, feed, digest)
        if asked not in self._found:
            if len(self._found) >= MOST_FOUND:
                self._found.clear()
            self._found[asked] = await self._validated(exchange.participant, feed, events)
        return self._found[asked]

    async def _validated(self, name: str, feed: str, events: Sequence[event_pb2.Event]) -> dict[int, list[hub_decisions_pb2.RuleViolation]]:
        files, edge = participant_files(self.hub.data_dir / "certificates", PREFIX + name), self.hub.edges[0]
        async with grpc.aio.secure_channel(edge, files.client_credentials(), channel_options(edge)) as channel:
            stub: Any = feed_service_pb2_grpc.FeedServiceStub(channel)
            try:
                request = feed_service_pb2.ValidateEventsRequest(feed=feed, events=events)
                found = await stub.ValidateEvents(request, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError:
                return {}
        return {faults.index: list(faults.violations) for faults in found.faults}


def run_sandbox(settings: SandboxSettings, said: Callable[[dict[str, Any]], None]) -> None:
    """Runs one until a signal comes; *said* is called with where everything is once it can be used.

    Raises NotLoopback, SandboxRuns or PageAddressTaken.
    """
    for address in (*settings.doors, settings.page):
        if not is_loopback(address):
            raise NotLoopback(address)
    data_dir = settings.data_dir
    with alone_on(data_dir), _opened(settings.page) as opened:
        discard(data_dir)
        _empty(data_dir)
        try:
            with running(data_dir, discards=True) as owner, world(owner, data_dir, lambda hub: _seed(settings, hub)) as hub:
                hub.copy_ahead()
                asyncio.run(_serve(settings, hub, opened, said))
        finally:
            discard(data_dir)


def _opened(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host, int(port)))
    except OSError as error:
        raise PageAddressTaken(f"{address}: {error.strerror}") from None


def _empty(data_dir: Path) -> None:
    """Removes all but the certificates, which clients have copied by now."""
    data_dir.mkdir(parents=True, exist_ok=True)
    for path in data_dir.iterdir():
        if path.is_dir() and path.name != "certificates":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def partner_of(province: str, hub: World) -> Partner:
    """Makes the partner of a province's developers."""
    other = OTHER[province]
    name = CARD_CENTRES[other]
    return Partner(other, PARTICIPANTS[name][2][0], hub.edges[0], hub.certificates[name])


def _seed(settings: SandboxSettings, hub: World) -> None:
    asyncio.run(partner_of(settings.province, hub).seed())
    publish_hotlist(hub.dsn, hub.data_dir)


async def _serve(settings: SandboxSettings, hub: World, opened: socket.socket, said: Callable[[dict[str, Any]], None]) -> None:
    from hub.sandbox.page import page
    from hub.web_server import Server

    front = Front(hub.data_dir / "certificates", hub.edges[:1], settings.doors)
    await front.start()
    partner = partner_of(settings.province, hub)
    working = asyncio.create_task(partner.run())
    sandbox = Sandbox(settings, hub, front, partner)
    try:
        said({**sandbox.described(), "page": f"http://{settings.page.rpartition(':')[0]}:{opened.getsockname()[1]}/"})
        await Server(page(sandbox), timeout_graceful_shutdown=1).serve_until_signal(opened)
    finally:
        working.cancel()
        await front.stop()
