"""Views of answers whose claims the hub's record contradicted: a code shown twice, card by card; and how often, by who asked and rule.

One contradiction is no finding of who asked: a desk may know what is not reported yet. Above a rate it is one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.instants import DAY_US
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row
from hub.projections.views.findings import Found, Listed

DECISION, TOKEN_USED = "decision_made", "ECARD_TOKEN_USED"
SHOWN_AGAIN, CONTRADICTED = "QR_REPLAY", "CLAIM_CONTRADICTED"
# Above one in twenty of at least so many answers of a day in which a rule weighed both, what a service point claims is looked into [D].
LEAST_WEIGHED, MOST_IN_A_HUNDRED = 20, 5


def _cards_shown_again(recorded: Recorded, _: Recorded | None) -> Iterator[Key]:
    event = recorded.event
    # What an operator tries out uses no code, and shows none twice.
    if TOKEN_USED in event.decision_made.reason_codes and not event.decision_made.operator and _used_at(recorded):
        yield event.card.key, recorded.position


def _used_at(recorded: Recorded) -> int:
    """Returns the position of the answer that had used the code, 0 where that is only claimed."""
    said = (basis for basis in recorded.event.decision_made.bases if basis.rule_id == "A06" and basis.record == acceptance.SAID_NO)
    return next((basis.record_position for basis in said), 0)


def _shown_again(_: Key, __: Row | None, recorded: Recorded, ___: Recorded | None) -> Row:
    event = recorded.event
    return event.card.issuing_province, _used_at(recorded), recorded.occurred_us, recorded.recorded_us, event.medium


CODES_SHOWN_AGAIN = Projection(
    name="code_shown_again",
    key_columns=(("card", "bytea"), ("position", "bigint")),
    value_columns=(
        ("issuing_province", "text"),
        ("used_position", "bigint"),
        ("occurred_us", "bigint"),
        ("recorded_us", "bigint"),
        ("medium", "integer"),
    ),
    kinds=frozenset({DECISION}),
    keys=_cards_shown_again,
    evolve=_shown_again,
    follows_corrections=False,
    marks={DECISION: TOKEN_USED.encode()},
)


class Tally(NamedTuple):
    """Of the answers of a day: in how many a rule weighed claim and record, how many contradicted each other, and the newest of those."""

    weighed: int = 0
    contradicted: int = 0
    position: int = 0
    occurred_us: int = 0
    recorded_us: int = 0
    folded: int = 0


def _tallied(recorded: Recorded, _: Recorded | None) -> Iterator[Key]:
    decision = recorded.event.decision_made
    if not decision.operator:
        for basis in decision.bases:
            if basis.claim and basis.record:
                yield decision.participant, basis.rule_id, recorded.recorded_us // DAY_US


def _tally(key: Key, row: Tally | None, recorded: Recorded, _: Recorded | None) -> Tally:
    known = row or Tally()
    if recorded.position <= known.folded:
        return known
    known = known._replace(weighed=known.weighed + 1, folded=recorded.position)
    if any(basis.contradicts for basis in recorded.event.decision_made.bases if basis.rule_id == key[1]):
        when = (recorded.position, recorded.occurred_us, recorded.recorded_us)
        return Tally(known.weighed, known.contradicted + 1, *when, known.folded)
    return known


CLAIM_TALLY = Projection(
    name="claim_tally",
    key_columns=(("participant", "text"), ("rule", "text"), ("day", "bigint")),
    value_columns=tuple((name, "bigint") for name in Tally._fields),
    kinds=frozenset({DECISION}),
    keys=_tallied,
    evolve=_tally,
    decode=Tally._make,
    encode=tuple,
    follows_corrections=False,
)


def listed_shown_again(connection: psycopg.Connection, card: bytes | None = None) -> list[Listed]:
    """Reads which answers refused a code as used, of all cards or of one, in the order of the journal."""
    rows = connection.execute(_SHOWN_AGAIN, {"card": card}).fetchall()
    return [Listed("card", key, province, Found(at, used, SHOWN_AGAIN, DECISION, *when)) for key, at, province, used, *when in rows]


def listed_contradicted(connection: psycopg.Connection) -> list[Listed]:
    """Reads who claimed what the record contradicts more often than is to be expected on a day, each with its newest such answer."""
    rows = connection.execute(_CONTRADICTED, {"least": LEAST_WEIGHED, "most": MOST_IN_A_HUNDRED}).fetchall()
    found = ((f"{urn} {rule}", Found(at, 0, CONTRADICTED, DECISION, occurred, recorded, 0)) for urn, rule, at, occurred, recorded in rows)
    return [Listed("participant", key, "", one) for key, one in found]


_SHOWN_AGAIN = f"""SELECT encode(card, 'hex'), position, issuing_province, used_position, occurred_us, recorded_us, medium
    FROM views.{CODES_SHOWN_AGAIN.name} WHERE (%(card)s::bytea IS NULL OR card = %(card)s) ORDER BY position""".encode()  # noqa: S608 (our own view)
_CONTRADICTED = f"""SELECT participant, rule, position, occurred_us, recorded_us FROM views.{CLAIM_TALLY.name}
    WHERE weighed >= %(least)s AND contradicted * 100 > weighed * %(most)s ORDER BY position""".encode()  # noqa: S608 (our own view)
