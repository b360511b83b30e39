"""Records each look at a card, in the decisions' own group commit, and answers only then; a card nobody registered counts as a miss."""

import os

from hub.api.edge.directory import Caller
from hub.domain.errors import JournalUnavailable, NotRecorded
from hub.domain.looks import KIND, Look, Looker, Shown, look_event
from hub.intake.request_rules import now_us
from hub.journal.decisions import Decision, DecisionWriter
from hub.telemetry import names

_SHOWN: dict[int, str] = {number: name.removeprefix("SHOWN_RECORD_") for name, number in Shown.items()}


class Looks:
    """Used from one event loop."""

    def __init__(self, decisions: DecisionWriter) -> None:
        """*decisions* commits looks together with what else the hub answers."""
        self._decisions = decisions

    async def record(self, caller: Caller, look: Look) -> int:
        """Returns the position of a look once it is on disk; raises QueueFull or NotRecorded."""
        at_us = now_us()
        event = look_event(Looker(caller.urn, caller.operator), look, at_us)
        # Nothing repeats a look: its key only keeps one that is sent again after a lost connection from being recorded twice.
        recorded = Decision(os.urandom(32), at_us, event.SerializeToString(), caller.call.trace_parents(), KIND)
        try:
            receipt = await self._decisions.append(recorded)
        except JournalUnavailable:
            raise NotRecorded from None
        if look.shown == Shown.SHOWN_RECORD_NOTHING:
            caller.allowance.misses.count(caller.call.name)
        names.LOOKS.add(caller.call.participant, _SHOWN[look.shown])
        return receipt.position
