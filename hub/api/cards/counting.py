"""What is counted and traced of an answer once it is recorded."""

from functools import lru_cache

from chuanyu.exchange.v1 import event_pb2

from hub.journal.decisions import Receipt
from hub.telemetry import names
from hub.telemetry.spans import Attributes, Call, Kind, now_ns
from hub.words.outcomes import outcome_name

_READ = {names.DB_SYSTEM: "postgresql", names.DB_OPERATION: "SELECT", names.DB_COLLECTION: "views.card_standing"}
_RECORD = {names.DB_SYSTEM: "postgresql", names.DB_OPERATION: "SELECT", names.DB_COLLECTION: "journal.event"}


@lru_cache(1_024)
def read_with(size: int) -> Attributes:
    """Returns the attributes of a read of so many cards together."""
    return {**_READ, names.DB_BATCH_SIZE: size}


@lru_cache(1_024)
def _recorded_with(size: int) -> Attributes:
    return {**_RECORD, names.DB_BATCH_SIZE: size}


def count_decided(call: Call, event: event_pb2.Event, receipt: Receipt) -> None:
    """Counts an answer, and notes its commit."""
    outcome, direction = outcome_name(event.decision_made.outcome), f"{event.card.issuing_province}>{event.service_region[:2]}"
    group, attributes = receipt.group, call.attributes
    call.step(names.RECORD_SPAN, group.began, group.ended, _recorded_with(group.size), Kind.CLIENT)
    attributes[names.SCENARIO], attributes[names.DIRECTION] = event.scenario, direction
    attributes[names.OUTCOME], attributes[names.POSITION] = outcome, receipt.position
    if event.decision_made.operator:
        # What operators try out is no question of a service point: it is in no count of the agreed service.
        names.OPERATOR_QUESTIONS.add(event.scenario, outcome)
        return
    names.DECISIONS.add(event.scenario, direction, outcome)
    names.DECISION_DURATION.record((now_ns() - call.began) / 1e9, outcome)
    for reason in event.decision_made.reason_codes:
        names.DECISION_REASONS.add(reason, outcome)
