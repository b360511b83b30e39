"""What is counted and traced of an answer once it is recorded."""

from chuanyu.exchange.v1 import event_pb2

from hub.journal.decisions import Receipt
from hub.telemetry import names
from hub.telemetry.spans import Call, Kind, now_ns
from hub.words.outcomes import outcome_name

_RECORD = {names.DB_SYSTEM: "postgresql", names.DB_OPERATION: "SELECT", names.DB_COLLECTION: "journal.event"}


def count_decided(call: Call, event: event_pb2.Event, receipt: Receipt) -> None:
    """Counts an answer, and notes its commit."""
    outcome, direction = outcome_name(event.decision_made.outcome), f"{event.card.issuing_province}>{event.service_region[:2]}"
    call.step(
        names.RECORD_SPAN, receipt.group.began, receipt.group.ended, {**_RECORD, names.DB_BATCH_SIZE: receipt.group.size}, Kind.CLIENT
    )
    call.attributes.update(
        {names.SCENARIO: event.scenario, names.DIRECTION: direction, names.OUTCOME: outcome, names.POSITION: receipt.position}
    )
    if event.decision_made.operator:
        # What operators try out is no question of a service point: it is in no count of the agreed service.
        names.OPERATOR_QUESTIONS.add(event.scenario, outcome)
        return
    names.DECISIONS.add(event.scenario, direction, outcome)
    names.DECISION_DURATION.record((now_ns() - call.began) / 1e9, outcome)
    for reason in event.decision_made.reason_codes:
        names.DECISION_REASONS.add(reason, outcome)
