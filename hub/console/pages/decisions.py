"""Recorded answers: a list without anybody's card, and one answer with both times, rule by rule, and the words for the holder."""

from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1.acceptance_pb2 import Medium

from hub.admin.accounts.roles import AUDITOR, OPERATOR, STAFF
from hub.audit.as_of import Known, known_at
from hub.audit.explanations import Subject, answered, fact_positions, known_of, recorded_subject
from hub.console.drawing.rails import Point
from hub.console.page import Page, PageForbidden, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.acceptance import rules_digest
from hub.domain.looks import Shown as ShownRecord
from hub.domain.participant import PREFIX
from hub.domain.rule_input import OF_THE_CARD
from hub.journal.reader import Recorded, events_at, head_position
from hub.journal.recent_decisions import recent_decisions
from hub.journal.streams import stream_row
from hub.journal.traces import traces_at
from hub.words.kinds import KINDS, OUTCOME_WORDS
from hub.words.names import PROVINCES
from hub.words.outcomes import OUTCOME_NUMBERS, outcome_name
from hub.words.seen import SEEN, STATES, VALUES

MOST = 100
OUTCOMES = tuple(OUTCOME_NUMBERS)[1:]
_US = ("_us",)


def decisions(page: Page) -> Shown:
    """Lists answers, the newest first: who asked for what, and what was answered; no card is named."""
    outcome, reason, scenario, issuer = (page.query.get(name, "") for name in ("outcome", "reason", "scenario", "issuer"))

    def wanted(one: Recorded) -> bool:
        event, decision = one.event, one.event.decision_made
        direction = (event.card.issuing_province, event.service_region[:2])
        return (
            outcome in ("", outcome_name(decision.outcome))
            and (not reason or reason in decision.reason_codes)
            and (not scenario or event.scenario.startswith(scenario))
            and issuer in ("", direction[0])
            and page.province in ("", *direction)
            and any(page.may_see(province) for province in direction)
        )

    with page.reading() as connection:
        head, known = head_position(connection), page.known(connection)
        before = page.whole("before") or (known.position + 1 if known is not None else 0)
        found = recent_decisions(connection, wanted, before, MOST)
    chosen = {"outcome": outcome, "reason": reason, "scenario": scenario, "issuer": issuer}
    asked = {**chosen, "known": page.query.get("known", "")}
    older = page.link("/decisions", **asked, before=found.back_to) if found.back_to > 1 else ""
    values = {
        "chosen": {**chosen, "known": page.query.get("known", "")},
        "issuers": [(code, page.words.of(PROVINCES, code)) for code in PROVINCES],
        "outcomes": [(code, page.words.of(OUTCOME_WORDS, code)) for code in OUTCOME_WORDS],
        "reasons": sorted(page.workings.tables.reasons),
        "scenarios": sorted(page.workings.tables.scenario_codes),
        "older": older,
        "back_to": found.back_to,
    }
    return Shown("decisions", page.t("互认答复", "Decisions"), values, (decision_table(page, found.decisions),), head, known=known)


def decision_table(page: Page, found: list[Recorded]) -> Table:
    """Makes the table of answers."""
    columns = (
        Column("position", "凭证", "Receipt", "number"),
        Column("at", "时刻", "At", "time"),
        Column("participant", "谁问", "Asked by"),
        Column("scenario", "场景", "Scenario"),
        Column("region", "地区", "Region"),
        Column("medium", "方式", "Medium"),
        Column("outcome", "结论", "Outcome"),
        Column("reasons", "理由", "Reasons", "code"),
    )
    rows = []
    for one in found:
        event, decision = one.event, one.event.decision_made
        code = outcome_name(decision.outcome)
        medium = Medium.Name(event.medium).removeprefix("MEDIUM_")
        rows.append(
            (
                Cell(f"{one.position:,}", f"/decisions/{one.position}"),
                page.at(one.recorded_us),
                Cell(
                    decision.participant.removeprefix(PREFIX), swatch=SWATCHES.get(page.workings.province_of(decision.participant), "hub")
                ),
                Cell(page.scenario(event.scenario), code=event.scenario),
                Cell(page.region(event.service_region), code=event.service_region),
                page.words.of(VALUES, medium),
                Cell(page.words.of(OUTCOME_WORDS, code), code=code, swatch=f"outcome-{decision.outcome}"),
                " ".join(reason for reason in decision.reason_codes if reason != "OK"),
            )
        )
    return table("decisions", columns, rows)


class Looked(NamedTuple):
    """A decision as it was read: what was known, then and at another time (if asked), its facts, and whether they are shown."""

    subject: Subject
    recorded: Recorded
    known: Known
    other: Known | None
    facts: list[Recorded]
    names: dict[int, tuple[str, int]]
    trace: str
    sees_card: bool
    head: int


def decision(page: Page) -> Shown:
    """Shows one answer; the look at it is recorded first."""
    position = page.whole("position")
    at_us = page.instant_us("at")
    found = _read(page, position)
    looked_at = page.look(f"decision-{position}", found.subject.card, ShownRecord.SHOWN_RECORD_EXPLANATION, position)
    then, question = found.recorded.event.decision_made, found.subject.question
    now = answered(page.workings.dsn, b"", found.known, question)
    tried = None
    if found.other is not None or at_us is not None:
        asked = question if at_us is None else question._replace(at_us=at_us)
        known, digest = found.other or found.known, then.rules_digest if page.query.get("rules") == "then" else b""
        tried = (answered(page.workings.dsn, digest, known, asked), asked.at_us, known.position)
    values = {**_said(page, found), "position": position, "looked_at": looked_at, "agreements": now["agreement_codes"]}
    values["counted"] = sum(1 for rule in now["rules"] if rule["asked"])
    values["broken"] = sum(1 for rule in now["rules"] if rule["reason_code"])
    values["skipped"] = sum(1 for rule in now["rules"] if not rule["asked"])
    tables = (_compared(page, then, now, tried), _rules(page, now, sees_card=found.sees_card))
    return Shown("decision", page.t(f"答复 {position:,}", f"Decision {position:,}"), values, tables, found.head)


def _read(page: Page, position: int) -> Looked:
    """Reads a decision and what was known; raises DecisionNotFound or PageForbidden."""
    with page.reading() as connection:
        other = page.known(connection)
        head = head_position(connection)
        subject = recorded_subject(connection, position)
        sees_card = _sees_card(page, subject)
        known = known_of(connection, subject, 0)
        tried = _tried(connection, subject, other.position) if other is not None else None
        facts = events_at(connection, fact_positions(known, subject.question))
        names = {one.position: (stream_row(connection, one.stream_id).name, one.sequence) for one in facts}
        traces = traces_at(connection, position) or [""]
    assert subject.recorded is not None
    return Looked(subject, subject.recorded, known, tried, facts, names, traces[0][3:35], sees_card, head)


def _tried(connection: psycopg.Connection, subject: Subject, position: int) -> Known:
    """Returns what was known at another position; before the first event that is nothing."""
    return known_of(connection, subject, position) if position else known_at(connection, subject.card.key, 0)


def _said(page: Page, found: Looked) -> dict[str, Any]:
    """Says the question and the answer."""
    question, then = found.subject.question, found.recorded.event.decision_made
    medium = Medium.Name(question.medium).removeprefix("MEDIUM_")  # type: ignore[arg-type]
    return {
        "outcome": then.outcome,
        "outcome_words": page.words.of(OUTCOME_WORDS, outcome_name(then.outcome)),
        "reasons": _reasons(page, list(then.reason_codes)),
        "asker": then.participant.removeprefix(PREFIX),
        "operator": then.operator,
        "request_id": then.request_id,
        "issuer": question.issuing_province,
        "scenario": Cell(page.scenario(question.scenario), code=question.scenario),
        "place": page.region(question.service_region),
        "medium": page.words.of(VALUES, medium),
        "asked_at": page.at(question.at_us),
        "recorded_at": page.at(found.recorded.recorded_us),
        "known": found.known.position,
        "sees_card": found.sees_card,
        "points": _points(page, found.facts) if found.sees_card else [],
        "asked": _asked(page, found.subject, found.recorded, found.known.position),
        "facts_list": [(f"{feed}#{sequence}", at) for at, (feed, sequence) in found.names.items()] if found.sees_card else [],
        "digest": then.rules_digest.hex()[:16],
        "is_old_rules": then.rules_digest != rules_digest(),
        "chosen": {name: page.query.get(name, "") for name in ("at", "known", "rules")},
        "trace": found.trace if page.account.has(AUDITOR, OPERATOR) else "",
    }


def _sees_card(page: Page, subject: Subject) -> bool:
    """Whether what is the issuing province's alone is shown; raises PageForbidden for what concerns neither of somebody's provinces."""
    issues = page.may_see(subject.question.issuing_province)
    if not issues and not page.may_see(subject.question.service_region[:2]):
        raise PageForbidden
    return issues and page.account.has(AUDITOR, STAFF)


def _points(page: Page, facts: list[Recorded]) -> list[Point]:
    return [
        Point(
            page.words.of(KINDS, one.kind),
            one.occurred_us,
            one.recorded_us,
            page.at(one.occurred_us)[2:16],
            page.at(one.recorded_us)[5:16],
            href=f"/journal/{one.position}" if page.account.has(AUDITOR, OPERATOR, STAFF) else "",
        )
        for one in facts[-14:]
    ]


def _asked(page: Page, subject: Subject, recorded: Recorded, known: int) -> Point:
    at_us, said = subject.question.at_us, page.t(f"所知至 {known:,}", f"known to {known:,}")
    return Point(page.t("问时", "asked"), at_us, recorded.recorded_us, page.at(at_us)[5:16], said)


def _reasons(page: Page, codes: list[str]) -> list[dict[str, str]]:
    found = []
    for code in codes:
        reason = page.workings.tables.reasons.get(code)
        if reason is not None and code != "OK":
            said = {"text": page.t(reason.text_zh, reason.text_en), "advice": page.t(reason.advice_zh, reason.advice_en)}
            found.append({"code": code, **said})
    return found


def _compared(page: Page, then: Any, now: dict[str, Any], tried: tuple[dict[str, Any], int, int] | None) -> Table:
    """Puts what was recorded beside what the rules say of the same today, and of another time."""
    columns = (
        Column("by", "按", "By"),
        Column("outcome", "结论", "Outcome"),
        Column("reasons", "理由", "Reasons", "code"),
        Column("same", "与当时", "Against then"),
    )
    recorded = (outcome_name(then.outcome), list(then.reason_codes))
    rows = [_compared_row(page, page.t("当时的记录", "as recorded"), *recorded, None)]
    again = page.t("今日重问，同一所知", "asked today, knowing the same")
    rows.append(_compared_row(page, again, now["outcome"], now["reason_codes"], recorded))
    if tried is not None:
        answer, at_us, position = tried
        label = page.t(f"若在 {page.at(at_us)}，所知至 {position:,}", f"if at {page.at(at_us)}, knowing up to {position:,}")
        rows.append(_compared_row(page, label, answer["outcome"], answer["reason_codes"], recorded))
    return table("compared", columns, rows)


def _compared_row(page: Page, label: str, outcome: str, codes: list[str], recorded: tuple[str, list[str]] | None) -> tuple[Cell | str, ...]:
    number = OUTCOME_NUMBERS[outcome]
    same = Cell("—")
    if recorded is not None:
        is_same = (outcome, list(codes)) == recorded
        same = Cell(page.t("相同", "the same"), mark="fine") if is_same else Cell(page.t("不同", "differs"), mark="attention")
    said = " · ".join(code for code in codes if code != "OK") or "—"
    return (label, Cell(page.words.of(OUTCOME_WORDS, outcome), code=outcome, swatch=f"outcome-{number}"), said, same)


def _rules(page: Page, answer: dict[str, Any], *, sees_card: bool) -> Table:
    """Lists the rules that were asked, those that were broken first."""
    columns = (
        Column("rule", "规则", "Rule", "code"),
        Column("asks", "问什么", "Asks"),
        Column("saw", "看到", "Saw"),
        Column("conclusion", "结论", "Conclusion", "code"),
    )
    asked = sorted((rule for rule in answer["rules"] if rule["asked"]), key=lambda rule: (not rule["reason_code"], rule["rule_id"]))
    rows = []
    for rule in asked:
        saw = [_saw(page, name, value) for name, value in rule["saw"] if sees_card or not name.startswith(OF_THE_CARD)]
        mark = "broken" if rule["reason_code"] else ""
        conclusion = Cell(f"✕ {rule['reason_code']}" if rule["reason_code"] else "✓", mark=mark)
        rows.append((rule["rule_id"], page.t(rule["title_zh"], rule["title_en"]), page.t("；", "; ").join(saw), conclusion))
    return table("rules", columns, rows)


def _saw(page: Page, name: str, value: str) -> str:
    said = value
    if name.endswith(_US) and value.isdigit():
        said = page.at(int(value))
    elif name == "standing.death_position":
        said = "" if value == "0" else page.t("是", "yes")
    elif value in STATES and name.startswith("standing."):
        said = page.words.of(STATES, value)
    elif value in VALUES:
        said = page.words.of(VALUES, value)
    return f"{page.words.of(SEEN, name)} {said or '—'}"
