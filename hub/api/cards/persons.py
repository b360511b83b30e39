"""Answers questions about the person who has a card, from ledgers: read first, the look recorded, and only then answered."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import psycopg
from google.protobuf.message import Message

from hub.admin.snapshots import Asked, about_person
from hub.api.cards.looks import Looks
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.domain.errors import RoleMissing
from hub.domain.instants import local_day
from hub.domain.looks import Look, Shown, card_by_key
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.intake.identifiers import Identifiers
from hub.intake.request_rules import card_named, now_us

Answer = TypeVar("Answer", bound=Message)
# Reads with a connection, about a person.
Question = Callable[[psycopg.Connection, Person], Answer]


class Persons:
    """Used from one event loop."""

    def __init__(self, reads: Reads, identifiers: Identifiers, looks: Looks) -> None:
        """*reads* is what is read with; the other parts are shared with CardService."""
        self._reads, self._identifiers, self._looks = reads, identifiers, looks

    async def answer(self, request: Any, caller: Caller, ask: Question[Answer], shown: int) -> Answer:
        """Answers about the person who has the request's card; raises RequestInvalid, QuotaExceeded, NotRecorded or ViewBehind."""
        caller.allowance.misses.refuse_if_spent()
        key = self._identifiers.key_of(card_named(request.card))
        known, answer = await when_seen(partial(self._reads.read, caller.urn, about_person, key, ask))
        looked = card_by_key(request.card.issuing_province, request.card.kind, key)
        shown = shown if known else Shown.SHOWN_RECORD_NOTHING
        await self._looks.record(caller, Look(looked, shown, request.purpose_code, answer.as_of_position))
        return answer  # type: ignore[no-any-return]


def asked_by(caller: Caller) -> Asked:
    """Returns who asks, today."""
    return Asked(caller.province, local_day(now_us()))


def scenarios_of(reference: Reference, *prefixes: str) -> list[str]:
    """Returns the codes of scenarios that begin so."""
    return [code for code in sorted(reference.scenario_codes) if code.startswith(prefixes)]


def require_serving(caller: Caller, scenarios: list[str], *roles: str) -> None:
    """Raises RoleMissing unless the caller has one of some roles, or is a service point of one of some scenarios."""
    rights = caller.rights
    if not rights.roles & set(roles) and not any(map(rights.serves_scenario, scenarios)):
        raise RoleMissing(role="SERVICE_POINT", scope="scenarios")
