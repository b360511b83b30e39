"""The campaign: every kind of tampering with many seeds, each in a transaction that is rolled back, and clean runs between them."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from hub.audit.fsck import Checked, Scene, check_in
from hub.bench.tampering.at_work import at_work
from hub.bench.tampering.bundle_kinds import BUNDLES, BundleKind
from hub.bench.tampering.bundles import refusals
from hub.bench.tampering.event_kinds import EVENTS
from hub.bench.tampering.history import Hub, recorded
from hub.bench.tampering.index_kinds import INDEX
from hub.bench.tampering.key_kinds import KEY_BUNDLES, KEYS
from hub.bench.tampering.kinds import BESIDE_THE_JOURNAL, Attack, Kind
from hub.bench.tampering.log_kinds import LOG
from hub.bench.tampering.receipt_kinds import RECEIPTS, audited
from hub.bench.tampering.schema_kinds import SCHEMA
from hub.config import Config
from hub.projections import PROJECTIONS
from hub.tlog.policy import PolicyRefused, parse

ALL = tuple(sorted(EVENTS + BESIDE_THE_JOURNAL + INDEX + LOG + RECEIPTS + KEYS + SCHEMA, key=lambda kind: kind.number))
ALL_BUNDLES = BUNDLES + KEY_BUNDLES

Report = Callable[[str], None]


def attempt(hub: Hub, kind: Kind, seed: int) -> Checked:
    """Makes one attack of a kind and returns what the check says of it; nothing of it is left."""
    with psycopg.connect(hub.dsn) as connection:
        try:
            attack = Attack(connection, hub, seed)
            kind.attack(attack)
            return Checked(codes=audited(attack)) if attack.receipts else checked(attack, kind.view)
        except PolicyRefused:
            return Checked(codes={PolicyRefused.__name__: 1})
        finally:
            connection.rollback()


def attempt_bundle(hub: Hub, kind: BundleKind, seed: int) -> tuple[str, str]:
    """Makes one bundle that was tampered with and returns the names by which the two checkers refuse it."""
    with psycopg.connect(hub.dsn) as connection:
        try:
            return refusals(*kind.attack(Attack(connection, hub, seed)))
        finally:
            connection.rollback()


def untouched(hub: Hub) -> Checked:
    """Returns what the check says where nothing was done."""
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        return checked(Attack(connection, hub, 0), "card_standing")


def measure(config: Config, seeds: Sequence[int], controls: int, report: Report, only: Sequence[str] = ()) -> dict[str, Any]:
    """Makes every kind of attack with each of some seeds, and clean runs; returns how many were found, by their name or otherwise.

    Half of the clean runs are on what nobody touches, half on a hub at work: in a third of those former and further keys sign its log, in
    a third the former have ended. The history that is attacked has rotated keys as well. *only* names kinds, none for all.
    """
    began = time.monotonic()
    with recorded(config) as hub:
        rows = [_of_kind(hub, kind, seeds, report) for kind in ALL if not only or kind.name in only]
        rows += [_of_bundles(hub, kind, seeds, report) for kind in ALL_BUNDLES if not only or kind.name in only]
        alarms: Counter[str] = Counter()
        for _ in range(controls // 2):
            alarms.update(untouched(hub).codes)
    report(f"未动过 untouched: {controls // 2}, 误报 false alarms {dict(alarms)}")
    with at_work(config) as work:
        for number in range(controls - controls // 2):
            if number == controls // 6:
                work.take_up_keys()
            elif number == controls // 3:
                work.retire_keys()
            alarms.update(work.check().codes)
        events = work.events()
    report(f"运行中 at work: {controls - controls // 2}, {events:,} 个事件 events, 误报 false alarms {dict(alarms)}")
    by_name, attacks = sum(row["by_name"] for row in rows), len(seeds) * len(rows)
    return {
        "bench": "tampering",
        "attacks": attacks,
        "found_by_name": by_name,
        "missed": sum(row["missed"] for row in rows),
        "controls": controls,
        "events_at_work": events,
        "false_alarms": dict(alarms),
        "kinds": rows,
        "seconds": round(time.monotonic() - began, 1),
        "sound": by_name == attacks and not alarms,
    }


def _of_kind(hub: Hub, kind: Kind, seeds: Sequence[int], report: Report) -> dict[str, Any]:
    codes = [attempt(hub, kind, seed).codes for seed in seeds]
    by_name = sum(kind.code in found for found in codes)
    missed = [seed for seed, found in zip(seeds, codes, strict=True) if not found]
    report(f"({kind.number}) {kind.name}: {kind.code} {by_name}/{len(codes)}")
    return {"number": kind.number, "kind": kind.name, "code": kind.code, "by_name": by_name, "missed": len(missed), "seeds": missed[:10]}


def _of_bundles(hub: Hub, kind: BundleKind, seeds: Sequence[int], report: Report) -> dict[str, Any]:
    names = [attempt_bundle(hub, kind, seed) for seed in seeds]
    by_name = sum(found == (kind.code, kind.code) for found in names)
    missed = [seed for seed, found in zip(seeds, names, strict=True) if "" in found]
    report(f"({kind.number}) {kind.name}: {kind.code} {by_name}/{len(names)}")
    return {"number": kind.number, "kind": kind.name, "code": kind.code, "by_name": by_name, "missed": len(missed), "seeds": missed[:10]}


def checked(attack: Attack, view: str) -> Checked:
    """Returns what the check says of what was done, with the comparison of one view."""
    connection, hub = attack.connection, attack.hub
    connection.execute("SET ROLE hub_projector")
    views = [projection for projection in PROJECTIONS if projection.name == view]
    scene = Scene(
        connection, Checked(), hub.keyring, lambda _what, _done, _of: None, views, hub.log_keys, parse(attack.policy), others=attack.others
    )
    return check_in(scene, {"views", "log"})
