"""Reads what rules look at, which versions of a rule are in force, and findings as they are, on a session that only reads."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.admin.snapshots import person_with
from hub.domain.rules.any_use import AUTOMATED
from hub.domain.unusual_use.errors import FindingUnknown
from hub.domain.unusual_use.finding import Finding, id_of
from hub.domain.unusual_use.patterns import AFTER_DEATH, AFTER_LOSS, SHOWN_AGAIN
from hub.domain.unusual_use.rule_book import ADOPTED, RuleHistory, Version, rules, versions
from hub.domain.unusual_use.steps import Step
from hub.journal.numbered import Numbered
from hub.projections.views.card_standing import facts_of
from hub.projections.views.findings import found_of
from hub.projections.views.raised_findings import Listed, coded
from hub.projections.views.use_steps import STEP_COLUMNS, step_in


class Span(NamedTuple):
    """From when to when steps are read, both included."""

    from_us: int
    to_us: int


def steps_within(connection: psycopg.Connection, spans: Mapping[bytes, Span]) -> dict[bytes, list[Step]]:
    """Returns the steps of subjects, each within its span; those of a card under all its identifiers."""
    found: dict[bytes, list[Step]] = defaultdict(list)
    if spans:
        asked = {
            "keys": list(spans),
            "from": [span.from_us for span in spans.values()],
            "to": [span.to_us for span in spans.values()],
        }
        for key, *row in connection.execute(_WITHIN, asked).fetchall():
            found[bytes(key)].append(step_in(tuple(row)))
    return found


def contradicted(connection: psycopg.Connection, cards: Collection[bytes] | None, span: Span | None = None) -> dict[bytes, list[Step]]:
    """Returns as steps what the views find of uses after a loss or a death, and of codes shown again; None for all cards."""
    found: dict[bytes, list[Step]] = defaultdict(list)
    named, asked = (_NAMED_OF_ALL, {}) if cards is None else (_NAMED, {"cards": list(cards)})
    for key, issuer, facts, findings, has_died in connection.execute((named + _AFTER).encode(), asked).fetchall():
        when = {fact.position: fact for fact in facts_of(facts)}
        for one in found_of(findings):
            fact = when.get(one.against_position)
            # What is in quarantine blocks a card until its province has mended it, and is not in force.
            if one.code not in ("USE_AFTER_LOSS", "USE_AFTER_CANCELLATION") or (fact is not None and fact.kind == "event_quarantined"):
                continue
            is_dead = has_died and one.code == "USE_AFTER_CANCELLATION" and fact is not None and bool(fact.detail.get("death"))
            since_us = fact.occurred_us if fact is not None else one.occurred_us
            kind = AFTER_DEATH if is_dead else AFTER_LOSS
            step = Step(one.position, one.occurred_us, kind, issuer, "", one.medium, str(one.against_position), str(since_us), 0)
            found[bytes(key)].append(step)
    for key, position, issuer, used_at, occurred_us, medium in connection.execute((named + _AGAIN).encode(), asked).fetchall():
        found[bytes(key)].append(Step(position, occurred_us, SHOWN_AGAIN, issuer, "", medium, str(used_at), "0", 0))
    if span is None:
        return found
    return {key: kept for key, all_ in found.items() if (kept := [one for one in all_ if span.from_us <= one.occurred_us <= span.to_us])}


def rule_versions(connection: psycopg.Connection, position: int = 2**62) -> dict[str, list[Version]]:
    """Returns all versions of each rule that were in force by a position, in order."""
    named = {str(RuleHistory.create_id(code)): code for code in rules()}
    adopted: dict[str, list[tuple[int, event_pb2.Event]]] = defaultdict(list)
    for name, at, data in connection.execute(_ADOPTED, {"names": list(named), "kind": ADOPTED, "position": position}).fetchall():
        adopted[named[name]].append((at, event_pb2.Event.FromString(bytes(data))))
    return {code: versions(rule, [(at, event.finding_rule_adopted) for at, event in adopted[code]]) for code, rule in rules().items()}


def find(connection: psycopg.Connection, code: str, provinces: Iterable[str]) -> tuple[Listed, Finding]:
    """Returns a finding that concerns some provinces; raises FindingUnknown."""
    listed, seen = coded(connection, code.upper()), set(provinces)
    if listed is None or not (set(listed.provinces.split()) & seen or (not listed.provinces and len(seen) > 1)):
        raise FindingUnknown
    return listed, finding_of(connection, listed)


def finding_of(connection: psycopg.Connection, listed: Listed) -> Finding:
    """Returns a finding of the list as its events have it."""
    name = id_of(listed.rule_code, listed.subject, listed.day)
    (found,) = Numbered(Finding, lambda _: name).at_numbers(connection, [1])
    return found


def has_opted_out(connection: psycopg.Connection, card: bytes) -> bool:
    """Whether the holder of a card has withdrawn, last of all, from being decided about automatically."""
    person = person_with(connection, card)
    rows = connection.execute(_RECORD, {"keys": [*person.cards, *person.holders]}).fetchall()
    told = [fact for (text,) in rows for fact in facts_of(text) if fact.kind in ("consent_granted", "consent_withdrawn")]
    own = sorted((fact.occurred_us, fact.position, fact.kind) for fact in told if fact.detail["purpose"] == AUTOMATED)
    return bool(own) and own[-1][2] == "consent_withdrawn"


_WITHIN = f"""
    WITH asked AS (SELECT * FROM unnest(%(keys)s::bytea[], %(from)s::bigint[], %(to)s::bigint[]) a (key, from_us, to_us))
    SELECT a.key AS asked, {STEP_COLUMNS} FROM asked a
    CROSS JOIN LATERAL (SELECT a.key AS name UNION ALL SELECT l.key FROM views.card_alias l WHERE l.card_key = a.key) i
    JOIN views.use_step s ON s.subject = i.name AND s.occurred_us BETWEEN a.from_us AND a.to_us""".encode()  # noqa: S608 (our own columns)
# Findings are of the number of a card or of whatever identifier an event was addressed by.
_NAMED = """WITH named AS (
        SELECT k.key AS card, k.key AS name FROM unnest(%(cards)s::bytea[]) k (key)
        UNION ALL SELECT l.card_key, l.key FROM views.card_alias l WHERE l.card_key = ANY (%(cards)s))"""
_NAMED_OF_ALL = """WITH named AS (
        SELECT COALESCE(l.card_key, f.key) AS card, f.key AS name FROM views.card_findings f LEFT JOIN views.card_alias l ON l.key = f.key
        UNION SELECT COALESCE(l.card_key, c.card), c.card FROM views.code_shown_again c LEFT JOIN views.card_alias l ON l.key = c.card)"""
_AFTER = """ SELECT n.card, f.issuing_province, f.facts, f.findings, f.has_died
    FROM named n JOIN views.card_findings f ON f.key = n.name WHERE f.finding_count > 0"""
_AGAIN = """ SELECT n.card, c.position, c.issuing_province, c.used_position, c.occurred_us, c.medium
    FROM named n JOIN views.code_shown_again c ON c.card = n.name"""
_ADOPTED = """
    SELECT s.name, e.position, e.data FROM journal.stream s JOIN journal.batch b USING (stream_id)
    JOIN journal.event e ON e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence
    WHERE s.name = ANY (%(names)s) AND e.kind = %(kind)s AND e.position <= %(position)s ORDER BY e.position"""
_RECORD = "SELECT facts FROM views.holder_record WHERE key = ANY (%(keys)s)"
