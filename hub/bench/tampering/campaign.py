"""The campaign: every kind of tampering with many seeds, each in a transaction that is rolled back, and clean runs between them."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from hub.audit.fsck import Checked, Scene, check_in
from hub.bench.setup import Ground
from hub.bench.tampering.history import recorded
from hub.bench.tampering.kinds import BESIDE_THE_JOURNAL, Attack, Kind
from hub.config import Config
from hub.projections import PROJECTIONS
from hub.trust.keyring import open_keyring

ALL = BESIDE_THE_JOURNAL

Report = Callable[[str], None]


def attempt(place: Ground, kind: Kind, seed: int) -> Checked:
    """Makes one attack of a kind and returns what the check says of it; nothing of it is left."""
    with psycopg.connect(place.dsn) as connection:
        try:
            kind.attack(Attack(connection, seed))
            return _checked(place, connection, kind.view)
        finally:
            connection.rollback()


def untouched(place: Ground) -> Checked:
    """Returns what the check says where nothing was done."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        return _checked(place, connection, "card_standing")


def measure(config: Config, seeds: int, controls: int, report: Report) -> dict[str, Any]:
    """Makes every kind of attack with each of some seeds, and clean runs; returns how many were found, by their name or otherwise."""
    began = time.monotonic()
    with recorded(config) as place:
        rows = [_of_kind(place, kind, range(1, seeds + 1), report) for kind in ALL]
        alarms: Counter[str] = Counter()
        for _ in range(controls):
            alarms.update(untouched(place).codes)
        report(f"{controls} 次未动 clean runs: {dict(alarms) or '0 误报 false alarms'}")
    by_name = sum(row["by_name"] for row in rows)
    return {
        "bench": "tampering",
        "attacks": seeds * len(ALL),
        "found_by_name": by_name,
        "missed": sum(row["missed"] for row in rows),
        "controls": controls,
        "false_alarms": dict(alarms),
        "kinds": rows,
        "seconds": round(time.monotonic() - began, 1),
        "sound": by_name == seeds * len(ALL) and not alarms,
    }


def _of_kind(place: Ground, kind: Kind, seeds: Sequence[int], report: Report) -> dict[str, Any]:
    codes = [attempt(place, kind, seed).codes for seed in seeds]
    by_name = sum(kind.code in found for found in codes)
    missed = [seed for seed, found in zip(seeds, codes, strict=True) if not found]
    report(f"({kind.number}) {kind.name}: {kind.code} {by_name}/{len(codes)}")
    return {"number": kind.number, "kind": kind.name, "code": kind.code, "by_name": by_name, "missed": len(missed), "seeds": missed[:10]}


def _checked(place: Ground, connection: psycopg.Connection, view: str) -> Checked:
    connection.execute("SET ROLE hub_projector")
    views = [projection for projection in PROJECTIONS if projection.name == view]
    scene = Scene(connection, Checked(), open_keyring(place.data_dir / "keys"), lambda _what, _done, _of: None, views)
    return check_in(scene, {"views"})
