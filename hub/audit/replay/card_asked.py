"""What the hub knew of a card, and answered for it, as of both times: what was recorded by then, and what it said of an instant."""

from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.as_of import known_at, position_of_views
from hub.audit.explanations import answered, known_for, recorded_subject
from hub.audit.outcome import MOST_OF_A_KIND, Moment, Outcome, Table, Text
from hub.audit.replay import said
from hub.audit.replay.own import DECISION, Own, own_events
from hub.audit.replay.progress import Progress
from hub.audit.replay.steps import Step, steps
from hub.audit.replay.window import recorded_us
from hub.audit.requests.windows import position_of
from hub.domain import reference
from hub.domain.acceptance import looks_at_record
from hub.domain.card import policies_of, standing
from hub.domain.card_machines import LIVES
from hub.domain.errors import ViewBehind
from hub.domain.instants import microseconds
from hub.domain.standing import Standing
from hub.journal.reader import Recorded
from hub.journal.sessions import session
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_rows import facts_in
from hub.words.outcomes import outcome_name


class AsOf(NamedTuple):
    """A card as of both times, its events up to there, and whether views and replay agree."""

    position: int
    valid_us: int
    known: Standing
    own: Own
    steps: list[Step]
    is_same: bool


def card_as_of(connection: psycopg.Connection, key: bytes, province: str, position: int, valid_us: int) -> AsOf:
    """Returns a card by what was recorded up to a position, at an instant; raises ViewBehind or ViewsLate.

    The province that issued it is looked up if it is "".
    """
    policy_at = policies_of(reference.load(), province or _issuer(connection, key))
    reached = position_of_views(connection)
    if position > reached:
        raise ViewBehind(as_of_position=reached)
    own = own_events(connection, key, reached)
    known = standing(own.folded(position).facts(key), valid_us, policy_at)
    is_same = own.folded(reached).facts(key) == facts_in(connection, key)
    return AsOf(position, valid_us, known, own, list(steps(own, position, policy_at, valid_us)), is_same)


def _issuer(connection: psycopg.Connection, key: bytes) -> str:
    row = connection.execute(_ISSUER, (identifiers_of(connection, key),)).fetchone()
    return "" if row is None else str(row[0])


def run(dsn: str, question: asked.CardQuestion, progress: Progress) -> Outcome:
    """Answers what was known of a card; raises what windows and views raise."""
    with session(dsn, "hub_reader", "hub-replay") as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        position = (
            position_of(connection, question.recorded_as_of) if question.HasField("recorded_as_of") else position_of_views(connection)
        )
        valid_us = _valid_us(connection, question, position)
        progress(0, 2)
        found = card_as_of(connection, question.card.key, question.card.issuing_province, position, valid_us)
        progress(1, 2)
        answers = [one for one in found.own.events if one.position in found.own.named and one.kind == DECISION and one.position <= position]
        today = _today(dsn, connection, answers[-1]) if question.against_today and answers else None
        progress(2, 2)
    return _outcome(question, found, answers, today)


def _valid_us(connection: psycopg.Connection, question: asked.CardQuestion, position: int) -> int:
    if question.HasField("valid_at"):
        return microseconds(question.valid_at)
    if question.recorded_as_of.WhichOneof("at") == "instant":
        return microseconds(question.recorded_as_of.instant)
    return recorded_us(connection, position)


def _today(dsn: str, connection: psycopg.Connection, decision: Recorded) -> tuple[str, tuple[str, ...]]:
    """Returns what would be answered to the same question with what is recorded today, by the rules of today."""
    subject = recorded_subject(connection, decision.position)
    known = known_at(connection, subject.card.key, None, with_records=looks_at_record(subject.question))
    answer = answered(dsn, b"", known_for(connection, known, subject.question), subject.question)
    return answer["outcome"], tuple(answer["reason_codes"])


Said = tuple[str, tuple[str, ...]]


def _outcome(question: asked.CardQuestion, found: AsOf, answers: list[Recorded], today: Said | None) -> Outcome:
    key, when = question.card.key.hex()[:12], said.at(found.valid_us)
    return Outcome(
        Text(f"枢纽在 {when} 对卡 {key}… 知道什么、如何答复？", f"What did the hub know of card {key}… at {when}, and what did it answer?"),
        _sentence(found, len(answers)),
        found.is_same,
        found.position,
        _facts(found, answers, today),
        tuple(_moment(step) for step in found.steps[-MOST_OF_A_KIND:]),
        _tables(found, answers, today),
        verified=(_AGREES if found.is_same else _DIFFERS,),
        limits=(
            Text(
                "只列出枢纽已入账的；来源未报送的不在其中。", "It shows what the hub recorded; what a source did not report is not in it."
            ),
        ),
    )


_AGREES = Text(
    "由该卡自身的事件重新折叠所得，与枢纽的视图一致。", "The card's own events, folded again, come to what the hub's views have."
)
_DIFFERS = Text(
    "由该卡自身的事件重新折叠所得，与枢纽的视图不一致。", "The card's own events, folded again, do not come to what the hub's views have."
)


def _sentence(found: AsOf, answers: int) -> Text:
    place, given_zh, given_en = f"{found.position:,}", f"对该卡已有 {answers:,} 次答复", f"{answers:,} answers had been given about it"
    if found.known.social_status is None:
        return Text(
            f"截至位置 {place}，枢纽没有该卡的事实；{given_zh}。", f"Up to position {place} the hub had no fact of this card; {given_en}."
        )
    zh, en = said.state(found.known.social_status)
    when = said.at(found.valid_us)
    return Text(
        f"截至位置 {place}，枢纽所知该卡在 {when} 的社保功能为：{zh}；{given_zh}。",
        f"By what was recorded up to position {place}, the card's social function at {when} was: {en}; {given_en}.",
    )


def _facts(found: AsOf, answers: list[Recorded], today: Said | None) -> dict[str, Any]:
    return {
        "position": found.position,
        "valid_us": found.valid_us,
        "lives": {life.name: str(getattr(found.known, life.name) or "") for life in LIVES},
        "answers": [_fact_of(one) for one in answers[-MOST_OF_A_KIND:]],
        "steps": [_step_fact(step) for step in found.steps[-MOST_OF_A_KIND:]],
        "views_equal_replay": found.is_same,
        **({"today": {"outcome": today[0], "reasons": list(today[1])}} if today is not None else {}),
    }


def _tables(found: AsOf, answers: list[Recorded], today: Said | None) -> tuple[Table, ...]:
    lives = tuple((Text(life.title_zh, life.title_en), said.state(str(getattr(found.known, life.name) or ""))) for life in LIVES)
    rows = tuple(
        (one.position, said.at(one.recorded_us), said.scenario(one.event.scenario), said.given(one.event.decision_made))
        for one in answers[-MOST_OF_A_KIND:]
    )
    tables = [
        Table(Text("卡的状态", "The lives of the card"), (Text("功能", "Life"), Text("状态", "State")), lives),
        Table(
            Text("已给出的答复", "Answers that were given"),
            (Text("位置", "Position"), Text("入账", "Recorded"), Text("场景", "Scenario"), Text("答复", "Answer")),
            rows,
        ),
    ]
    if today is not None:
        said_then = answers[-1].event.decision_made
        compared = (
            (Text("当时", "Then"), said.given(said_then)),
            (Text("按今日所知", "With what is known today"), said.answer(*today)),
        )
        title = Text("最近一次询问，当时与今日", "The last question, then and today")
        tables.append(Table(title, (Text("何时", "When"), Text("答复", "Answer")), compared))
    return tuple(tables)


def _moment(step: Step) -> Moment:
    recorded = step.recorded
    zh, en = said.kind(recorded.kind)
    for name, before, after in step.changed:
        life = next((life for life in LIVES if life.name == name), None)
        if life is not None:
            old, new = said.state(before), said.state(after)
            zh += f"；{life.title_zh}：{old.zh} → {new.zh}"
            en += f"; {life.title_en}: {old.en} → {new.en}"
    if recorded.kind == DECISION:
        made = recorded.event.decision_made
        given = said.given(made)
        zh, en = f"{zh}：{given.zh}", f"{en}: {given.en}"
    return Moment(recorded.recorded_us, recorded.occurred_us, recorded.position, Text(zh, en))


def _step_fact(step: Step) -> dict[str, object]:
    one = step.recorded
    changed = [{"name": name, "before": before, "after": after} for name, before, after in step.changed]
    return {"position": one.position, "recorded_us": one.recorded_us, "occurred_us": one.occurred_us, "kind": one.kind, "changed": changed}


def _fact_of(one: Recorded) -> dict[str, object]:
    made = one.event.decision_made
    return {
        "position": one.position,
        "recorded_us": one.recorded_us,
        "scenario": one.event.scenario,
        "outcome": outcome_name(made.outcome),
        "reasons": list(made.reason_codes),
        "as_of_position": made.as_of_position,
    }


_ISSUER = "SELECT issuing_province FROM views.card_standing WHERE key = ANY (%s) ORDER BY issuing_province DESC LIMIT 1"
