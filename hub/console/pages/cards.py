"""A card: its five lives over time, what the hub answered about it, and who looked. Nothing is shown before the look is recorded."""

from typing import NamedTuple

from chuanyu.exchange.v1 import references_pb2

from hub.audit.as_of import known_at
from hub.console.drawing.lives import Span, lives
from hub.console.page import Page, PageUnknown, Shown
from hub.console.pages.decisions import decision_table
from hub.console.tables import Cell, Column, Table, table
from hub.domain.card import Fact, Standing, policies_of, standing
from hub.domain.card_machines import LIVES
from hub.domain.looks import KIND as LOOK
from hub.domain.looks import Shown as ShownRecord
from hub.domain.looks import card_by_key
from hub.domain.participant import PREFIX
from hub.journal.reader import Recorded, events_at, head_position
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_answers import DECISION, answers_about
from hub.projections.views.card_rows import facts_in
from hub.words.kinds import KINDS
from hub.words.names import PURPOSES, SHOWN
from hub.words.seen import STATES

MOST = 50


class Life(NamedTuple):
    """One of the five lives: its name, how it is now, and the spans of its states."""

    name: str
    state: str
    spans: list[Span]


def card(page: Page) -> Shown:
    """Shows a card that was found."""
    handle = page.parameters["handle"]
    subject = page.subject(handle)
    if subject.card_key is None:
        raise PageUnknown
    province = subject.issuing_province
    ref = card_by_key(province, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, subject.card_key)
    with page.reading() as connection:
        head, then = head_position(connection), page.known(connection)
        keys = identifiers_of(connection, subject.card_key)
        facts = (
            facts_in(connection, subject.card_key)
            if then is None
            else known_at(connection, subject.card_key, then.position, with_records=False).facts
        )
        found = ShownRecord.SHOWN_RECORD_LIVES if facts else ShownRecord.SHOWN_RECORD_NOTHING
        looked_at = page.look(handle, ref, found)
        until = then.position if then is not None else 2**62
        answers, looks = (
            [one for one in answers_about(connection, keys, kind, MOST) if one.position <= until] for kind in (DECISION, LOOK)
        )
        recorded = {one.position: one for one in events_at(connection, [fact.position for fact in facts])}
    now_us = then.at_us if then is not None else page.now_us
    policy_at = policies_of(page.workings.tables, province)
    states = [(fact.occurred_us, standing(facts, fact.occurred_us, policy_at)) for fact in facts if fact.occurred_us <= now_us]
    now = standing(facts, now_us, policy_at)
    found_lives = [_life(page, number, states, now, now_us) for number in range(len(LIVES))]
    values = {
        "handle": handle,
        "shown_as": subject.shown_as,
        "province": province,
        "looked_at": looked_at,
        "purpose": page.words.of(PURPOSES, subject.purpose),
        "is_known": bool(facts),
        "lives": found_lives,
        "drawn": lives([(life.name, life.spans) for life in found_lives], page.at, page.t("五种状态的时间线", "The five lives over time")),
        "blocked_until": page.at(now.block_until_us) if now.block_until_us else "",
        "kind": page.words.of(STATES, now.card_kind),
    }
    tables = (_fact_table(page, facts, recorded), decision_table(page, answers), look_table(page, looks))
    return Shown("card", page.t("卡", "Card"), values, tables, head, known=then)


def _life(page: Page, number: int, states: list[tuple[int, Standing]], now: Standing, now_us: int) -> Life:
    life = LIVES[number]
    spans: list[Span] = []
    for at, (since, one) in enumerate(states):
        until = states[at + 1][0] if at + 1 < len(states) else now_us
        state = getattr(one, life.name) or "—"
        if spans and spans[-1].state == state:
            spans[-1] = spans[-1]._replace(until_us=until)
        else:
            spans.append(Span(state, page.words.of(STATES, state), since, until))
    state = getattr(now, life.name) or "—"
    return Life(page.t(life.title_zh, life.title_en), page.words.of(STATES, state), spans)


def _fact_table(page: Page, facts: list[Fact], recorded: dict[int, Recorded]) -> Table:
    columns = (
        Column("occurred", "发生", "Occurred", "time"),
        Column("fact", "事实", "Fact"),
        Column("recorded", "入账", "Recorded", "time"),
        Column("position", "位置", "Position", "number"),
    )
    rows = []
    for fact in reversed(facts):
        one = recorded.get(fact.position)
        known = page.at(one.recorded_us) if one is not None else "—"
        kind, position = Cell(page.words.of(KINDS, fact.kind), code=fact.kind), Cell(f"{fact.position:,}", f"/journal/{fact.position}")
        rows.append((page.at(fact.occurred_us), kind, known, position))
    return table("facts", columns, rows)


def look_table(page: Page, looks: list[Recorded]) -> Table:
    """Makes the table of who looked."""
    columns = (
        Column("recorded", "何时", "When", "time"),
        Column("who", "谁", "Who"),
        Column("purpose", "事由", "Purpose"),
        Column("shown", "所示", "Shown"),
        Column("position", "位置", "Position", "number"),
    )
    rows = []
    for one in looks:
        look = one.event.card_record_queried
        participant = look.participant.removeprefix(PREFIX)
        who = Cell(look.operator or participant, code=participant if look.operator else "")
        shown = ShownRecord.Name(look.shown).removeprefix("SHOWN_RECORD_")
        purpose = Cell(page.words.of(PURPOSES, look.purpose_code), code=look.purpose_code)
        rows.append((page.at(one.recorded_us), who, purpose, Cell(page.words.of(SHOWN, shown), code=shown), one.position))
    return table("looks", columns, rows)
