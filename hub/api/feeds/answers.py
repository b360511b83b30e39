"""What a batch of a feed is answered with, and what its trace and the metrics say of it."""

from collections.abc import Sequence
from typing import Any

from chuanyu.exchange.v1 import feed_service_pb2 as protos

from hub.domain.event_rules import Violation
from hub.domain.instants import timestamp
from hub.domain.quarantine import put_into_words
from hub.intake.batches import Prepared
from hub.intake.quarantining import add_violations
from hub.journal.batch import PG_EPOCH_US, Appended
from hub.journal.reader import Recorded
from hub.telemetry import names
from hub.telemetry.spans import Call, Kind

MOST_NOTED = 32
_INSERT = {names.DB_SYSTEM: "postgresql", names.DB_OPERATION: "COPY", names.DB_COLLECTION: "journal.event"}
_RECORDED = protos.EVENT_OUTCOME_RECORDED
_DUPLICATE = protos.EVENT_OUTCOME_DUPLICATE
_QUARANTINED = protos.EVENT_OUTCOME_QUARANTINED


def joined(parts: Sequence[Appended]) -> Appended:
    """Makes one outcome of those of a batch's parts, in their order."""
    positions = [position for part in parts for position in part.positions]
    duplicates = sum(part.duplicates for part in parts)
    return Appended(positions, duplicates, parts[0].first_sequence, parts[-1].recorded_us, parts[-1].group)


def note_quarantined(call: Call, request: Any, quarantined: dict[int, list[Violation]]) -> None:
    """Has the batch kept in the traces its quarantined events come from, and says which they are."""
    call.keep("quarantined")
    for offset, reasons in list(quarantined.items())[:MOST_NOTED]:
        rules = ", ".join(f"{path} {rule}".strip() for path, rule in reasons)
        call.note("event quarantined", {names.SEQUENCE: request.first_sequence + offset, names.RULES_BROKEN: rules})
    parents = request.trace_parents
    if parents:
        bad = {parents[min(offset, len(parents) - 1)] for offset in quarantined}
        call.belong_to(f"{parent[:-2]}01" if parent in bad else parent for parent in parents)


def note_appended(call: Call, feed: str, queued: int, appended: Appended, prepared: Prepared) -> None:
    """Counts what became of a batch, and notes the wait in the queue and the commit."""
    group, positions = appended.group, appended.positions
    where = {names.FIRST_POSITION: positions[0], names.LAST_POSITION: positions[-1], names.DUPLICATES: appended.duplicates}
    call.attributes.update(where)
    call.step(names.QUEUE_SPAN, queued, max(queued, group.began), {})
    call.step(names.COMMIT_SPAN, max(queued, group.began), group.ended, {**_INSERT, names.GROUP_EVENTS: group.size}, Kind.CLIENT)
    quarantined = sum(offset >= appended.duplicates for offset in prepared.quarantined)
    counts = {"duplicate": appended.duplicates, "quarantined": quarantined}
    counts["recorded"] = len(positions) - appended.duplicates - quarantined
    for outcome, count in counts.items():
        if count:
            names.FEED_ANSWERED.add(call.participant, feed, outcome, count=count)


def answer_of(
    feed: str, appended: Appended, quarantined: dict[int, list[Violation]], before: Sequence[Recorded]
) -> protos.AppendEventsResponse:
    """Makes the answer; *before* are those of the duplicates that were quarantined when they came first."""
    count = len(appended.positions)
    response = protos.AppendEventsResponse(
        feed=feed, first_sequence=appended.first_sequence, recorded_at=timestamp(appended.recorded_us + PG_EPOCH_US)
    )
    for recorded in before:
        response.quarantined.add(sequence=recorded.sequence, violations=recorded.event.event_quarantined.violations)
    outcomes: Sequence[Any] = [_DUPLICATE] * appended.duplicates + [_RECORDED] * (count - appended.duplicates)
    if quarantined:
        outcomes = list(outcomes)
        for offset, reasons in sorted(quarantined.items()):
            if offset < appended.duplicates:
                continue
            outcomes[offset] = _QUARANTINED
            notice = response.quarantined.add(sequence=appended.first_sequence + offset)
            add_violations(notice.violations, reasons)
    for notice in response.quarantined:
        put_into_words(notice.violations)
    response.positions.extend(appended.positions)
    response.outcomes.extend(outcomes)
    return response
