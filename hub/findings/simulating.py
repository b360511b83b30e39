"""A rule tried out on past days: what it would have found, what the rule in force finds, and whether it would flood. It records nothing."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from typing import NamedTuple

import psycopg

from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.findings import USE_KINDS
from hub.domain.instants import DAY_US, epoch_day_of, local_day, midnight_us
from hub.domain.unusual_use.errors import FindingDays, FindingDaysTooLong
from hub.domain.unusual_use.patterns import KINDS_OF, WITHOUT_A_WINDOW, found_by
from hub.domain.unusual_use.rule_book import PERSON, Version, changed, floods, rule_named
from hub.domain.unusual_use.steps import Step
from hub.findings.reading import Span, contradicted, has_opted_out, rule_versions
from hub.projections.views.use_steps import STEP_COLUMNS, step_in

# Some three seconds of an edge's interpreter, which others' answers share.
MOST_STEPS = 200_000
MOST_ASKED = 1_000
DAYS = 30


class Simulated(NamedTuple):
    """What a version finds on some days, beside the version in force; *both* is what both find."""

    tried: Version
    in_force: Version
    first: date
    last: date
    uses: int
    findings: int
    findings_in_force: int
    both: int
    opted_out: int

    @property
    def floods(self) -> bool:
        """Whether it cannot be put in force."""
        return floods(self.findings, self.uses)


def simulate(
    connection: psycopg.Connection,
    code: str,
    parameters: Mapping[str, int],
    days: tuple[date, date],
    most: int | None = None,
    but_of: bytes = b"",
) -> Simulated:
    """Tries a rule out with other values of some parameters, on days that are both included; a subject may be left out.

    Raises FindingRuleUnknown, FindingRuleParameter, FindingDays, and FindingDaysTooLong where more than *most* steps are to be read.
    """
    rule = rule_named(code)
    in_force = rule_versions(connection)[rule.code][-1]
    tried = changed(in_force, parameters)
    first, last = days
    span = Span(midnight_us(epoch_day_of(first)), midnight_us(epoch_day_of(last) + 1) - 1)
    uses = _uses(connection, span) if first <= last else 0
    if not uses:
        raise FindingDays(first_day=first.isoformat(), last_day=last.isoformat())
    if most is not None and max(uses, _read(connection, tried, span, most + 1)) > most:
        raise FindingDaysTooLong(most=most)
    texts = (first.isoformat(), last.isoformat())
    ours: set[tuple[bytes, str]] = set()
    theirs: set[tuple[bytes, str]] = set()
    for subject, steps in _subjects(connection, tried, span):
        if subject == but_of:
            continue
        ours |= {(subject, one.day) for one in found_by(tried, steps) if texts[0] <= one.day <= texts[1]}
        theirs |= {(subject, one.day) for one in found_by(in_force, steps) if texts[0] <= one.day <= texts[1]}
    out: set[tuple[bytes, str]] = set()
    subjects = {subject for subject, _ in ours | theirs}
    # So many that each is asked for would flood in any case.
    if rule.heeds_opt_out and len(subjects) <= MOST_ASKED:
        away = {subject for subject in subjects if has_opted_out(connection, subject)}
        out = {one for one in ours if one[0] in away}
        ours, theirs = ours - out, {one for one in theirs if one[0] not in away}
    return Simulated(tried, in_force, first, last, uses, len(ours), len(theirs), len(ours & theirs), len(out))


def newest_day(connection: psycopg.Connection) -> date:
    """Returns the local day of the newest use; raises FindingDays where there is none."""
    row = connection.execute("SELECT max(occurred_us) FROM views.use_step").fetchone()
    if row is None or row[0] is None:
        raise FindingDays
    return local_day(row[0])


def _uses(connection: psycopg.Connection, span: Span) -> int:
    row = connection.execute(_USES, {"from": span.from_us, "to": span.to_us, "kinds": _numbers(USE_KINDS)}).fetchone()
    return int(row[0]) if row is not None else 0


def _read(connection: psycopg.Connection, version: Version, span: Span, most: int) -> int:
    """Returns how many rows a rule reads for some days, up to so many."""
    if _is_of_views(version):
        row = connection.execute(_CONTRADICTIONS, {"most": most}).fetchone()
    else:
        row = connection.execute(_STEPS, {**_asked(version, span), "most": most}).fetchone()
    return int(row[0]) if row is not None else 0


def _is_of_views(version: Version) -> bool:
    """Whether a rule is of what the views find, not of steps."""
    return version.rule.code in WITHOUT_A_WINDOW and version.rule.subject != PERSON


def _asked(version: Version, span: Span) -> dict[str, object]:
    """Returns which steps a rule reads: also those of the day before; payments are read whole."""
    code = version.rule.code
    from_us = -(2**62) if code in WITHOUT_A_WINDOW else span.from_us - DAY_US
    return {"from": from_us, "to": span.to_us, "kinds": _numbers(KINDS_OF[code]) if code in KINDS_OF else None}


def _numbers(kinds: frozenset[str]) -> list[int]:
    return sorted(KIND_NUMBERS[kind] for kind in kinds)


def _subjects(connection: psycopg.Connection, version: Version, span: Span) -> Iterator[tuple[bytes, list[Step]]]:
    """Yields the subjects of a rule with their steps."""
    if _is_of_views(version):
        yield from contradicted(connection, None, span).items()
        return
    with connection.transaction(), connection.cursor("findings") as cursor:
        cursor.itersize = 10_000
        cursor.execute(_SUBJECTS, _asked(version, span))
        for subject, rows in groupby(cursor, key=lambda row: bytes(row[0])):
            yield subject, [step_in(row[1:]) for row in rows]


_USES = "SELECT count(*) FROM views.use_step WHERE occurred_us BETWEEN %(from)s AND %(to)s AND kind = ANY (%(kinds)s)"
_WITHIN = "s.occurred_us BETWEEN %(from)s AND %(to)s AND (%(kinds)s::integer[] IS NULL OR s.kind = ANY (%(kinds)s))"
_STEPS = f"SELECT count(*) FROM (SELECT FROM views.use_step s WHERE {_WITHIN} LIMIT %(most)s) s".encode()  # noqa: S608 (our own text)
_CONTRADICTIONS = b"""
    SELECT count(*) FROM (SELECT FROM views.card_findings WHERE finding_count > 0
        UNION ALL SELECT FROM views.code_shown_again LIMIT %(most)s) found"""
_SUBJECTS = f"""
    SELECT COALESCE(l.card_key, s.subject) AS of, {", ".join(f"s.{name}" for name in STEP_COLUMNS.split(", "))}
    FROM views.use_step s LEFT JOIN views.card_alias l ON l.key = s.subject WHERE {_WITHIN}
    ORDER BY 1""".encode()  # noqa: S608 (our own columns)
