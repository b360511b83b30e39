"""Questions about ledgers in scenarios: what each asks for, how it is asked three ways, how its answer is compared, how both read.

A new one is a class here, or in a module of its own, and a line in LEDGERS.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import grpc
import psycopg

from hub.admin import snapshots
from hub.admin.snapshots import Asked, cards_held, person_known, told_in
from hub.domain.errors import HubError, NotPermitted, SettlementNotFound
from hub.domain.instants import local_day
from hub.domain.reported import Person
from hub.domain.transit.rides import Told
from hub.projections.projection import Key, Projection
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.reports import Report
from hub.scenarios.filling import Names
from hub.scenarios.scenario import Ask, local_text
from hub.words.kinds import PROVINCE_WORDS

REFUSALS: Mapping[type[HubError], str] = {NotPermitted: "NOT_PERMITTED", SettlementNotFound: "SETTLEMENT_NOT_FOUND"}
# What a question of any ledger may say besides its own.
FURTHER = frozenset({"asker", "known_at"})


class InMemory(NamedTuple):
    """What a scenario in memory has: rows of views by name, taps in force, the keys of its cards by alias, and who issued them."""

    rows: Mapping[str, Mapping[Key, Any]]
    key_of: Callable[[str], bytes]
    issuer: Callable[[str], str]
    every_tap: Callable[[], list[Told]]

    def taps(self, alias: str) -> list[Told]:
        """Returns what is reported of the taps of who has a card, and about them; with "" of all."""
        person = self.person(alias) if alias else None
        return [one for one in self.every_tap() if person is None or person.is_of(one.reported)]

    def told(self, view: Projection) -> snapshots.Told:
        """Returns all that is reported in a view."""
        rows: Mapping[Key, Report | None] = self.rows[view.name]
        return told_in(((key[1], row) for key, row in rows.items() if row is not None), 0)

    def person(self, alias: str) -> Person:
        """Returns who has a card."""
        standing, held = self.rows[CARD_STANDING.name], self.rows[HOLDER_CARDS.name]

        def said(cards: Iterable[bytes]) -> list[Any]:
            return [(row.holder, row.facts) for card in cards if (row := standing.get((card,))) is not None]

        def cards(holders: Iterable[bytes]) -> set[bytes]:
            return cards_held(row[1] for holder in holders if (row := held.get((holder,))) is not None)

        return person_known(Person(frozenset(), frozenset({self.key_of(alias)})), said, cards)


class OnDatabase(NamedTuple):
    """What a scenario on PostgreSQL has: a connection to read the views, the keys of its cards by alias, and who issued them."""

    connection: psycopg.Connection
    key_of: Callable[[str], bytes]
    issuer: Callable[[str], str]


class OnEdge(NamedTuple):
    """What a scenario over gRPC has: a channel as the asker, and what names a card in a request."""

    channel: grpc.Channel
    name: Callable[[Any, str], None]
    min_position: int
    deadline_s: float


class Ledger(Protocol):
    """Questions about one ledger."""

    # What a question must say and what its answer may be compared with; in what words both are written.
    needed: frozenset[str]
    further: frozenset[str]
    answers: frozenset[str]
    words: Mapping[str, str]

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory; raises as the service does."""
        raise NotImplementedError

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views, as of a position; raises as the service does."""
        raise NotImplementedError

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        raise NotImplementedError

    def answer_of(self, answer: Any, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*; *names* are those of the steps by position, *run* goes before native numbers."""
        raise NotImplementedError

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        raise NotImplementedError


def asked_of(ask: Ask) -> Asked:
    """Returns who asks, on a day on which no question of a scenario depends."""
    return Asked(ask.asker, local_day(0))


def refused(error: HubError) -> dict[str, Any]:
    """Returns a refusal by the names of *then*."""
    return {"refused": REFUSALS[type(error)]}


def findings_in(found: Iterable[Any], names: Mapping[int, str]) -> list[dict[str, str]]:
    """Returns findings by the names of *then*, in the order of their reports."""
    return [
        {
            "step": names.get(one.position, ""),
            "code": one.code,
            **({"against": names[one.against_position]} if one.against_position in names else {}),
        }
        for one in sorted(found, key=lambda one: (one.position, one.code, one.against_position))
    ]


def further_text(ask: Ask) -> str:
    """Says who asks, and with what was reported by when."""
    known = f"（按 {local_text(ask.known_us)} 已告知的事实 with what was reported by then）" if ask.known_us is not None else ""
    return f"{known}，{PROVINCE_WORDS[ask.asker]} 询问 asks"


def then_text(ledger: Ledger, then: Mapping[str, Any]) -> str:
    """Says what must be answered, all but findings."""
    return ", ".join(f"{ledger.words[name]} `{_value(value)}`" for name, value in then.items() if name != "findings")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, list):
        return "、".join(map(str, value)) or "没有 none"
    if isinstance(value, dict):
        return "、".join(f"{name} {inner}" for name, inner in value.items())
    return str(value) if value != "" else "没有 none"
