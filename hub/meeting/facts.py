"""The facts of a report for the meeting: what each indicator is and came to, and what the report before showed, as known now."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hub.domain.indicators.definition import Definition, Words
from hub.indicators.desk import Cause
from hub.indicators.report import FrozenReport
from hub.meeting.guard import Seen, gives_away, seen
from hub.meeting.report import MeetingReport

KIND = "JOINT_MEETING"
REPORTED, NOT_RECORDED, NO_EVENT, WITHHELD = "REPORTED", "NOT_RECORDED", "NO_EVENT", "WITHHELD"


class Part(NamedTuple):
    """An indicator of a report: its report, and where the report before showed it, that one as known now and what came since."""

    definition: Definition
    report: FrozenReport | None
    restated: FrozenReport | None = None
    causes: Sequence[Cause] = ()


def breakdown(said: Definition) -> str:
    """Returns by what an indicator is broken down in a report: by the first of its breakdowns, so that no two of them add to each other."""
    return said.by[0] if said.by else ""


def indicators(parts: Iterable[Part], before: Sequence[MeetingReport]) -> list[dict[str, Any]]:
    """Returns the facts of all indicators; one that would give away a few, beside what *before* showed, the newest first, is withheld."""
    last = facts_by_indicator(before[0]) if before else {}
    shown = [one for report in before for one in seen_in(report)]
    found = []
    for part in parts:
        fact = _fact(part, last.get(part.definition.id, {}))
        own = seen_of(fact)
        if any(gives_away(one, [*shown, *own]) for one in own):
            fact |= {"state": WITHHELD, "figures": [], "beside": {}, "then": None, "now": None, "causes": []}
        else:
            shown += own
        found.append(fact)
    return found


def _fact(part: Part, last: Mapping[str, Any]) -> dict[str, Any]:
    said, report = part.definition, part.report
    content: Mapping[str, Any] = report.content if report is not None else {}
    state = REPORTED if report is not None else NOT_RECORDED if said.missing is not None else NO_EVENT
    restated = part.restated
    return {
        "indicator": said.id, "state": state, "report": report.frozen.report_code if report is not None else "",
        "definition_version": said.version, "definition_digest": said.digest, "additivity": said.additivity, "counts": said.counts,
        "window": said.window, "by": breakdown(said), "population": content.get("population", ""),
        "name": _words(said.name), "numerator": _words(said.numerator), "denominator": _words(said.denominator),
        "missing": _words(said.missing), "traps": [_words(one) for one in said.traps],
        "targets": [
            {name: getattr(one, name) for name in ("kind", "province", "count", "share_of_10000", "on", "source")} for one in said.targets
        ],
        "figures": content.get("figures", []),
        # Times alone: a count beside the figures is not compared with that of the report before.
        "beside": {name: value for name, value in content.get("beside", {}).items() if name.endswith("_s")},
        "population_rows": content.get("population_rows", []),
        "then": {name: last[name] for name in ("report", "figures")} if restated is not None else None,
        "now": {"report": restated.frozen.report_code, "figures": restated.content["figures"]} if restated is not None else None,
        "causes": [one._asdict() for one in part.causes],
    }  # fmt: skip


def _words(words: Words | None) -> dict[str, str] | None:
    return None if words is None else {"zh": words.zh, "en": words.en}


def facts_by_indicator(report: MeetingReport) -> dict[str, dict[str, Any]]:
    """Returns what a report says of each indicator."""
    return {one["indicator"]: one for one in report.outcome.facts["indicators"]}


def seen_in(report: MeetingReport) -> list[Seen]:
    """Returns what a report shows."""
    return [one for fact in facts_by_indicator(report).values() for one in seen_of(fact)]


def seen_of(fact: Mapping[str, Any]) -> list[Seen]:
    """Returns what is shown of an indicator: its report, and the one before it as known now."""
    if fact["state"] != REPORTED:
        return []
    now = fact["now"]
    found = [seen(fact, fact["report"], fact["figures"])]
    return found if now is None or now["report"] == fact["report"] else [*found, seen(fact, now["report"], now["figures"])]
