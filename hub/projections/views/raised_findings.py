"""View: findings that rules have raised, with how far each is; and what became of them by rule and version."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from hub.domain.unusual_use.finding import CHANGED, CLEARED, CONFIRMED, FINDING_KINDS, RAISED, REOPENED, STALE, STATES_AFTER
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row


class Listed(NamedTuple):
    """A finding as the view has it; *position* is that of its last step."""

    code: str
    rule_code: str
    rule_version: int
    subject: bytes
    day: str
    state: str
    provinces: str
    evidence_count: int
    measured: int
    reason_code: str
    position: int


class Tally(NamedTuple):
    """What became of the findings of a version of a rule."""

    version: int
    open: int
    confirmed: int
    cleared: int
    stale: int


def keys(recorded: Recorded, _: Recorded | None) -> tuple[Key, ...]:
    """Names the finding's stream."""
    return ((recorded.stream_id,),)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row | None:
    """Follows a finding from its rise."""
    said = getattr(recorded.event, recorded.kind)
    if recorded.kind == RAISED:
        first = (said.finding_code, said.rule_code, said.rule_version, said.subject_key, said.day)
        return *first, STATES_AFTER[RAISED], *_evidence(said), "", recorded.position
    assert row is not None, "a finding is raised first"
    known = Listed(*row)
    known = known._replace(position=recorded.position, state=STATES_AFTER.get(recorded.kind) or known.state)
    if recorded.kind in (CHANGED, REOPENED):
        provinces, count, measured = _evidence(said)
        known = known._replace(provinces=provinces, evidence_count=count, measured=measured)
    if recorded.kind != CHANGED:
        known = known._replace(reason_code=getattr(said, "reason_code", ""))
    return tuple(known)


def _evidence(said: object) -> tuple[str, int, int]:
    evidence = said.evidence  # type: ignore[attr-defined]
    return " ".join(evidence.provinces), len(evidence.positions), evidence.measured


RAISED_FINDINGS = Projection(
    name="raised_finding",
    key_columns=(("stream_id", "bigint"),),
    value_columns=(
        ("code", "text"),
        ("rule_code", "text"),
        ("rule_version", "integer"),
        ("subject", "bytea"),
        ("day", "text"),
        ("state", "text"),
        ("provinces", "text"),
        ("evidence_count", "integer"),
        ("measured", "bigint"),
        ("reason_code", "text"),
        ("position", "bigint"),
    ),
    kinds=FINDING_KINDS,
    keys=keys,
    evolve=evolve,
    indexes=("code", "subject", "position"),
    follows_corrections=False,
)


class Wanted(NamedTuple):
    """Which findings: empty for all; *provinces* are those that somebody may see, *but_of* a subject that is left out."""

    state: str = ""
    rule_code: str = ""
    provinces: Sequence[str] = ("50", "51")
    before: int = 0
    most: int = 100
    but_of: bytes = b""


def listed(connection: psycopg.Connection, wanted: Wanted) -> list[Listed]:
    """Reads findings, those that changed last first. One that concerns no province is the hub's own and in everybody's list of both."""
    asked = wanted._asdict() | {"before": wanted.before or 2**62, "provinces": list(wanted.provinces)}
    return [_listed(row) for row in connection.execute(_LISTED, asked).fetchall()]


def coded(connection: psycopg.Connection, code: str) -> Listed | None:
    """Reads a finding by its code."""
    row = connection.execute(_CODED, {"code": code}).fetchone()
    return None if row is None else _listed(row)


def of_subjects(connection: psycopg.Connection, subjects: Sequence[bytes]) -> list[Listed]:
    """Reads all findings of some subjects."""
    return [_listed(row) for row in connection.execute(_OF_SUBJECTS, {"subjects": list(subjects)}).fetchall()]


def tallies(connection: psycopg.Connection, provinces: Sequence[str] = ("50", "51"), but_of: bytes = b"") -> dict[str, list[Tally]]:
    """Reads what became of the findings of each rule, by version: of those that somebody may list, so that no count is of others'."""
    found: dict[str, list[Tally]] = {}
    asked = {"confirmed": CONFIRMED, "cleared": CLEARED, "stale": STALE, "but_of": but_of, "provinces": list(provinces)}
    for rule, version, total, confirmed, cleared, stale in connection.execute(_TALLIES, asked).fetchall():
        found.setdefault(rule, []).append(Tally(version, total - confirmed - cleared - stale, confirmed, cleared, stale))
    return found


def _listed(row: Row) -> Listed:
    found = Listed(*row)
    return found._replace(subject=bytes(found.subject))


_COLUMNS = ", ".join(Listed._fields)
_SEEN = """(string_to_array(provinces, ' ') && %(provinces)s::text[] OR (provinces = '' AND cardinality(%(provinces)s::text[]) > 1))
      AND subject <> %(but_of)s"""
_LISTED = f"""SELECT {_COLUMNS} FROM views.raised_finding
    WHERE position < %(before)s AND (%(state)s = '' OR state = %(state)s) AND (%(rule_code)s = '' OR rule_code = %(rule_code)s)
      AND {_SEEN}
    ORDER BY position DESC LIMIT %(most)s""".encode()  # noqa: S608 (our own columns)
_CODED = f"SELECT {_COLUMNS} FROM views.raised_finding WHERE code = %(code)s".encode()  # noqa: S608 (our own columns)
_OF_SUBJECTS = f"SELECT {_COLUMNS} FROM views.raised_finding WHERE subject = ANY (%(subjects)s) ORDER BY position".encode()  # noqa: S608
_TALLIES = f"""SELECT rule_code, rule_version, count(*), count(*) FILTER (WHERE state = %(confirmed)s),
        count(*) FILTER (WHERE state = %(cleared)s), count(*) FILTER (WHERE state = %(stale)s)
    FROM views.raised_finding WHERE {_SEEN} GROUP BY rule_code, rule_version
    ORDER BY rule_code, rule_version""".encode()  # noqa: S608 (our own text)
