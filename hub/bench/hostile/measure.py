"""Hostile: how long one participant waits while another attacks, against how long while all is quiet, and what the edges grow to.

Each attack has its own quiet, of the same minute. Load, edges and database share the machine, so the figures have what the attacker's own
work takes from it, too.
"""

import asyncio
import contextlib
import itertools
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from chuanyu.exchange.v1 import feed_service_pb2

from hub.admin.participants import changing, suspend
from hub.admin.registry import register_participant
from hub.bench.check import FEEDS
from hub.bench.hostile import frames, messages, questions, silence
from hub.bench.hostile.proxy import proxy
from hub.bench.hostile.scene import APPEND, ATTACKER, CHECK, FEED, SUSPENDED, Scene
from hub.bench.load import batch, card_event
from hub.bench.setup import ASKER, PARTICIPANT, Ground, HubProcess, ground, hub_process, projector
from hub.bench.watching import looking
from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.participant import PREFIX
from hub.domain.roles import every_role
from hub.giving_way import LOWEST, give_way
from hub.journal.recorder import AggregateStore
from hub.trust.authority import issue_participant, participant_files

CARDS = 1_000
TIMES_QUIET = 3.0
MOST_RSS_MB = 400.0
BECOMES_STEADY_S = 1.0
REST_S = 3.0

Report = Callable[[str], None]
Attack = Callable[[Scene], Awaitable[None]]
# Those whose sender has no certificate, or more connections than one, come by way of the proxy, which is what defends against them.
BY_THE_PROXY = (silence.without_tls, silence.idle_connections)
ATTACKS: tuple[Attack, ...] = (
    messages.batch_bomb,
    messages.batch_bombs,
    messages.many_batches,
    messages.alias_bomb,
    messages.alias_batches,
    messages.gzip_bomb,
    messages.deep_nesting,
    silence.half_open,
    silence.half_open_suspended,
    silence.watches,
    silence.slow_loris,
    silence.idle_connections,
    silence.without_tls,
    frames.rapid_reset,
    frames.cancelled_calls,
    frames.short_deadlines,
    frames.indexed_headers,
    frames.continuations,
    frames.pings,
    frames.settings,
    questions.checks,
    questions.explanations,
    questions.feeds,
    questions.subscriptions,
)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long answers took, in milliseconds, and how many questions were refused."""

    times_ms: list[float]
    refused: int

    def at(self, share: float) -> float:
        """The time that so large a share of the answers did not exceed."""
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")


class AttackUnknown(HubError):
    """There is no such attack:"""


def measure(config: Config, seconds: float, only: list[str], report: Report) -> dict[str, Any]:
    """Returns a row for each attack, and whether all hold."""
    chosen = [attack for attack in ATTACKS if not only or attack.__name__ in only]
    if unknown := set(only) - {attack.__name__ for attack in ATTACKS}:
        raise AttackUnknown(f"{', '.join(sorted(unknown))}; there are {', '.join(attack.__name__ for attack in ATTACKS)}")
    rows = []
    with ground(config, list(FEEDS)) as place:
        _register(place)
        with projector(place), hub_process(place, CARDS) as one, hub_process(place, CARDS) as other, _proxied(one, other) as address:
            _load(place, one)
            for attack in chosen:
                row = _row(place, (one, other), attack, address, seconds)
                report(str(row))
                rows.append(row)
    return {"bench": "hostile", "rows": rows, "holds": all(row["holds"] for row in rows)}


def _proxied(*edges: HubProcess) -> contextlib.AbstractContextManager[str]:
    return proxy([edge.target for edge in edges])


def _register(place: Ground) -> None:
    store, now = AggregateStore(place.dsn), datetime.now(UTC)
    for urn, feed in ((ATTACKER, FEED), (SUSPENDED, "sc.suspended")):
        register_participant(store, urn, "51", "bench", [feed], now, every_role())
        issue_participant(place.data_dir / "certificates", urn)
    with changing(store, SUSPENDED.removeprefix(PREFIX)) as participant:
        suspend(participant, "KEY_LOST", now)
    store.close()


def _load(place: Ground, edge: HubProcess) -> None:
    """Registers the cards that are asked about, and some use."""
    credentials = participant_files(place.data_dir / "certificates", PARTICIPANT).client_credentials()
    with grpc.secure_channel(edge.target, credentials, [("grpc.enable_http_proxy", 0)]) as channel:
        append = channel.unary_unary(f"/{APPEND}", response_deserializer=feed_service_pb2.AppendEventsResponse.FromString)
        for first in range(1, CARDS, 500):
            append(batch(FEEDS[0], first, make=card_event), timeout=30)
        for number in range(30):
            append(batch(FEEDS[1], 1 + 500 * number), timeout=30)


def _row(place: Ground, edges: tuple[HubProcess, HubProcess], attack: Attack, by_proxy: str, seconds: float) -> dict[str, Any]:
    is_by_proxy = attack in BY_THE_PROXY
    targets = (by_proxy,) if is_by_proxy else tuple(edge.target for edge in edges)
    victim = by_proxy if is_by_proxy else edges[0].target
    quiet = _ask(place, victim, seconds)
    before = max(edge.memory_bytes() for edge in edges)
    _renew_certificate(place.data_dir / "certificates")
    context = multiprocessing.get_context("spawn")
    length_s = BECOMES_STEADY_S + seconds
    attacker = context.Process(target=_attack, args=(attack, targets, place.data_dir / "certificates", length_s), daemon=True)
    with _peak(edges) as peak:
        attacker.start()
        time.sleep(BECOMES_STEADY_S)
        cpu_before = sum(edge.cpu_s() for edge in edges)
        attacked = _ask(place, victim, seconds)
        cores = (sum(edge.cpu_s() for edge in edges) - cpu_before) / seconds
    attacker.join(length_s + 10)
    attacker.kill()
    time.sleep(REST_S)
    ratio = attacked.at(0.99) / quiet.at(0.99)
    return {
        "attack": attack.__name__,
        "quiet_ms": [round(quiet.at(share), 1) for share in (0.5, 0.95, 0.99)],
        "attacked_ms": [round(attacked.at(share), 1) for share in (0.5, 0.95, 0.99)],
        "ratio_p99": round(ratio, 2),
        "answered": len(attacked.times_ms),
        "refused": attacked.refused,
        "edges_cores": round(cores, 2),
        "edge_before_mb": round(before / 1e6),
        "edge_peak_mb": round(peak[0] / 1e6),
        "by_the_proxy": is_by_proxy,
        "holds": ratio <= TIMES_QUIET and attacked.refused == 0 and peak[0] / 1e6 <= MOST_RSS_MB,
    }


def _renew_certificate(directory: Path) -> None:
    """Gives the attacker another: that of the attack before may be barred, and an attack that is shut out measures nothing."""
    files = participant_files(directory, ATTACKER)
    for file in (files.certificate, files.key):
        file.unlink()
    issue_participant(directory, ATTACKER)


_numbers = itertools.count(1)


def _ask(place: Ground, target: str, seconds: float) -> Waits:
    """Asks one question after the other."""
    credentials = participant_files(place.data_dir / "certificates", ASKER).client_credentials()
    times, refused, until = [], 0, time.monotonic() + seconds
    with grpc.secure_channel(target, credentials, [("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary(f"/{CHECK}")
        while time.monotonic() < until:
            number = next(_numbers)
            asked = questions.question(f"victim-{number}", number).SerializeToString()
            began = time.perf_counter()
            try:
                check(asked, timeout=10)
            except grpc.RpcError:
                refused += 1
            else:
                times.append((time.perf_counter() - began) * 1e3)
    return Waits(times, refused)


@contextlib.contextmanager
def _peak(edges: tuple[HubProcess, ...]) -> Iterator[list[int]]:
    """Watches the memory of the edges; the list has the largest so far."""
    peak = [0]

    def look() -> None:
        peak[0] = max(peak[0], *(edge.memory_bytes() for edge in edges))

    with looking(look, 0.05):
        yield peak


def _attack(attack: Attack, targets: tuple[str, ...], certificates_dir: Path, seconds: float) -> None:
    async def play() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds + 5):
                await attack(Scene(targets, certificates_dir, seconds, time.monotonic()))

    assert all(target.startswith("127.0.0.1:") for target in targets), "attacks go to loopback only"
    # An attacker brings processors of its own: what its work takes from the edges here is nothing that they could refuse.
    give_way(LOWEST)
    asyncio.run(play())
