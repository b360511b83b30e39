"""What a scenario is: cards, agreements, steps that are reported, questions that are asked. Values only, made by `reading`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, service_items_pb2

from hub.domain.instants import in_local
from hub.scenarios.agreed import Agreed
from hub.scenarios.filling import Names, fill

LIVES = (
    "social_status",
    "social_status_until",
    "bank_account_status",
    "transit_purse_status",
    "pin_status",
    "ecard_status",
    "generation",
    "card_kind",
    "reissue_pending",
    "replacement_pending",
    "provisional_block_until",
    "expires_on",
)


@dataclass(frozen=True, slots=True)
class Card:
    """A card of a scenario; its number is replaced by one that no other run uses."""

    issuer: str
    number: str


@dataclass(frozen=True, slots=True)
class Step:
    """An event reported to the hub: *number* counts in the file from 1, *arrives_us* orders the reports."""

    number: int
    name: str
    feed: str
    kind: str
    card: str
    at_us: int
    arrives_us: int
    quarantined: str
    says: Mapping[str, Any]
    envelope: Mapping[str, Any]

    def event(self, names: Names) -> event_pb2.Event:
        """Makes the event; raises FieldInvalid."""
        event = event_pb2.Event()
        event.occurred_at.FromMicroseconds(self.at_us)
        event.source.system = "scenario"
        if self.card:
            fill(event, {"card": self.card}, names)
        fill(event, self.envelope, names)
        message = getattr(event, self.kind)
        message.SetInParent()
        fill(message, self.says, names)
        return event


@dataclass(frozen=True, slots=True)
class Ask:
    """A question of one *kind* and what its answer must be; empty where the kind has no such field.

    With *known_us* it is answered from what had been reported by then; *hotlist_us* is when a device had a hotlist that names the card;
    *says* is what a question about a ledger says beside.
    """

    number: int
    kind: str
    then: Mapping[str, Any]
    card: str = ""
    scenario: str = ""
    region: str = ""
    medium: str = ""
    at_us: int = 0
    venue: str = ""
    claims: acceptance_pb2.AcceptanceClaims | None = None
    refs: Mapping[str, Any] = field(default_factory=dict)
    known_us: int | None = None
    hotlist_us: int | None = None
    day: str = ""
    issuer: str = ""
    handling: str = ""
    case_no: str = ""
    asker: str = ""
    says: Mapping[str, str] = field(default_factory=dict)

    def subject_refs(self, names: Names) -> acceptance_pb2.SubjectRefs:
        """Makes what the question is about beside the card; raises FieldInvalid."""
        refs = acceptance_pb2.SubjectRefs()
        fill(refs, self.refs, names, "refs")
        return refs


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file: cards, agreements and service items besides those of the tables, steps in the order they are reported, questions."""

    file: str
    id: str
    title_zh: str
    title_en: str
    source: tuple[str, ...]
    cards: Mapping[str, Card]
    agreements: tuple[Agreed, ...] = ()
    items: tuple[service_items_pb2.ServiceItemDrafted, ...] = ()
    given: tuple[Step, ...] = ()
    when: tuple[Ask, ...] = ()

    def told_by(self, known_us: int) -> int:
        """Returns how many steps have been reported by an instant."""
        return sum(step.arrives_us <= known_us for step in self.given)

    def names_of_steps(self, firsts: Mapping[str, int]) -> dict[str, tuple[str, int]]:
        """Returns feed and number of every step, by its name, as they will be reported; *firsts* are the feeds' next numbers."""
        names, taken = {}, dict(firsts)
        for step in self.given:
            names[step.name] = step.feed, taken[step.feed]
            taken[step.feed] += 1
        return names

    @property
    def is_counting(self) -> bool:
        """Whether it asks how much was counted, so that nothing else may be counted meanwhile."""
        return any(ask.kind == "usage" for ask in self.when)


def local_text(at_us: int) -> str:
    """Writes an instant as people of both provinces read it."""
    moment = in_local(at_us)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")
