"""FeedService over mutual TLS: numbering, resends, gaps, conflicts, limits, and how it refuses."""

import asyncio
import itertools
import queue
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from chuanyu.exchange.v1 import (
    event_pb2,
    feed_service_pb2,
    hub_decisions_pb2,
)
from google.rpc import code_pb2, error_details_pb2

from hub.api.edge.client_certificate import Peer
from hub.api.edge.directory import Caller, CurrentRights, Directory
from hub.api.edge.quota import Quotas
from hub.api.edge.statuses import CODES, DOMAIN, internal
from hub.api.edge.turns import Reads
from hub.api.feeds.block_keys import BlockKeys
from hub.api.feeds.pace import Pace
from hub.api.feeds.receipts import Receipts
from hub.api.feeds.service import FeedService
from hub.commands.pages.reference import examples
from hub.domain import audit_errors, errors, reconciliation_errors, reference, settlement_errors
from hub.domain.archiving import SequenceArchived
from hub.domain.indicators import errors as indicator_errors
from hub.domain.participant import Participant
from hub.domain.quota import Quota
from hub.domain.receipt_book import ReceiptBookAltered
from hub.domain.services import SERVICES
from hub.domain.unusual_use import errors as finding_errors
from hub.intake.batch import Intake
from hub.intake.batches import Received
from hub.intake.digests import Digests
from hub.journal.decisions import DecisionWriter
from hub.journal.writer import JournalWriter
from hub.meeting import errors as meeting_errors
from hub.telemetry.spans import Call
from hub.trust.keyring import open_keyring
from hub.trust.receipt_keys import open_receipt_keys
from tests.clients import (
    DEADLINE_S,
    REASONS,
    Province,
    add_feed,
    of_feed,
    recorded_at,
    refused,
    refused_in_stream,
)
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import journey, lost, registered

RECORDED = feed_service_pb2.EVENT_OUTCOME_RECORDED
DUPLICATE = feed_service_pb2.EVENT_OUTCOME_DUPLICATE
QUARANTINED = feed_service_pb2.EVENT_OUTCOME_QUARANTINED

_numbers = itertools.count(1)
APPEND = "/chuanyu.exchange.v1.FeedService/AppendEvents"
# Field 99 of Event, a string: of a later release than this hub.
FROM_A_LATER_RELEASE = b"\x9a\x06\x05later"


@pytest.fixture
def feed(shared_hub: RunningHub) -> str:
    """A feed of Chongqing's for one test."""
    return add_feed(shared_hub, CHONGQING, f"cq.test-{next(_numbers)}")


def batch(feed: str, first_sequence: int, *events: event_pb2.Event) -> feed_service_pb2.StreamEventsRequest:
    return feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=first_sequence, events=events)


def trips(count: int) -> list[event_pb2.Event]:
    return [journey("A12345678", fare_fen=number) for number in range(count)]


# GetFeed


def test_an_empty_feed_expects_number_one(chongqing: Province, feed: str) -> None:
    answer = chongqing.feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed=feed), timeout=DEADLINE_S)
    assert answer == feed_service_pb2.GetFeedResponse(feed=feed, next_sequence=1, last_position=0)


def test_a_filled_feed_tells_its_next_number_and_last_position(chongqing: Province, feed: str) -> None:
    appended = chongqing.append(feed, 1, *trips(3))
    answer = chongqing.feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed=feed), timeout=DEADLINE_S)
    last_position, recorded_at_ = appended.positions[2], appended.recorded_at
    assert answer == feed_service_pb2.GetFeedResponse(
        feed=feed, next_sequence=4, last_position=last_position, last_recorded_at=recorded_at_
    )


# AppendEvents


def test_new_events_are_recorded_at_positions_that_follow(chongqing: Province, feed: str) -> None:
    appended = chongqing.append(feed, 1, registered("A12345678"), lost("A12345678"))
    first = appended.positions[0]
    assert (list(appended.outcomes), list(appended.positions)) == ([RECORDED, RECORDED], [first, first + 1])


def test_what_is_recorded_is_the_event_under_its_feed_and_number(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    appended = chongqing.append(feed, 1, registered("A12345678"), journey("A12345678", fare_fen=777))
    recorded = recorded_at(shared_hub.dsn, appended.positions[1])
    assert (recorded.sequence, recorded.kind) == (2, "transit_journey_completed")
    assert recorded.event.transit_journey_completed.fare_paid_fen == 777


def test_an_identical_resend_is_success_with_the_old_positions(chongqing: Province, feed: str) -> None:
    appended = chongqing.append(feed, 1, *trips(3))
    again = chongqing.append(feed, 1, *trips(3))
    assert (list(again.positions), list(again.outcomes)) == (list(appended.positions), [DUPLICATE] * 3)


def test_an_identical_resend_adds_nothing(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, *trips(3))
    chongqing.append(feed, 1, *trips(3))
    assert [event.sequence for event in of_feed(shared_hub.dsn, feed)] == [1, 2, 3]


def test_a_resend_may_be_cut_otherwise(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, *trips(2))
    chongqing.append(feed, 3, *trips(4)[2:])
    again = chongqing.append(feed, 2, *trips(4)[1:3])
    assert list(again.outcomes) == [DUPLICATE, DUPLICATE]


def test_a_batch_that_overlaps_is_recorded_from_where_the_feed_ends(chongqing: Province, feed: str) -> None:
    appended = chongqing.append(feed, 1, *trips(2))
    longer = chongqing.append(feed, 1, *trips(4))
    assert list(longer.outcomes) == [DUPLICATE, DUPLICATE, RECORDED, RECORDED]
    assert list(longer.positions[:2]) == list(appended.positions)


def test_a_batch_above_the_next_number_is_a_gap_that_names_the_expected_one(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, *trips(2))
    refusal = refused(lambda: chongqing.append(feed, 4, *trips(1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP")
    assert refusal.metadata == {"expected_sequence": "3"}


def test_a_resend_with_other_content_is_a_conflict_that_names_the_number(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, *trips(3))
    changed = [*trips(2), journey("A12345678", fare_fen=999)]
    refusal = refused(lambda: chongqing.append(feed, 1, *changed))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SEQUENCE_CONFLICT")
    assert refusal.metadata == {"sequence": "3"}


def test_nothing_of_a_batch_with_a_conflict_is_recorded(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, *trips(1))
    refused(lambda: chongqing.append(feed, 1, journey("A12345678", fare_fen=999), *trips(2)))
    assert chongqing.next_sequence(feed) == 2


def test_a_resend_of_a_quarantined_event_is_identical_too(chongqing: Province, feed: str) -> None:
    bad = journey("A12345678")
    bad.service_region = "519999"
    appended = chongqing.append(feed, 1, bad)
    again = chongqing.append(feed, 1, bad)
    assert (list(appended.outcomes), list(again.outcomes)) == ([QUARANTINED], [DUPLICATE])


# Limits of a batch


def test_a_batch_of_500_events_is_taken(chongqing: Province, feed: str) -> None:
    assert len(chongqing.append(feed, 1, *trips(500)).positions) == 500


def test_a_batch_of_501_events_is_too_large(chongqing: Province, feed: str) -> None:
    refusal = refused(lambda: chongqing.append(feed, 1, *trips(501)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")


def test_a_batch_over_one_mebibyte_is_too_large(chongqing: Province, feed: str) -> None:
    heavy = journey("A12345678")
    heavy.source.file_name = "x" * 1024 * 1024
    refusal = refused(lambda: chongqing.append(feed, 1, heavy))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")
    assert int(refusal.metadata["bytes"]) > int(refusal.metadata["limit_bytes"]) == 1_048_576


def test_far_above_the_limit_of_a_batch_grpc_refuses_before_the_hub_reads(chongqing: Province, feed: str) -> None:
    heavy = journey("A12345678")
    heavy.source.file_name = "x" * 1_114_113
    refusal = refused(lambda: chongqing.append(feed, 1, heavy))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")


def test_after_a_message_over_grpcs_limit_the_channel_goes_on(chongqing: Province, feed: str) -> None:
    heavy = journey("A12345678")
    heavy.source.file_name = "x" * 1_114_113
    refused(lambda: chongqing.append(feed, 1, heavy))
    assert list(chongqing.append(feed, 1, *trips(1)).outcomes) == [RECORDED]


def test_an_empty_batch_is_refused(chongqing: Province, feed: str) -> None:
    refusal = refused(lambda: chongqing.append(feed, 1))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_EMPTY")


# Whose feed


def test_a_feed_nobody_owns_is_unknown(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.append("cq.no-such-feed", 1, *trips(1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "FEED_UNKNOWN")


def test_where_an_unknown_feed_stands_is_not_found(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.next_sequence("cq.no-such-feed"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "FEED_UNKNOWN")


def test_only_its_owner_writes_a_feed(sichuan: Province, feed: str) -> None:
    refusal = refused(lambda: sichuan.append(feed, 1, *trips(1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_FEED_OWNER")


def test_only_its_owner_asks_where_a_feed_stands(sichuan: Province, feed: str) -> None:
    refusal = refused(lambda: sichuan.next_sequence(feed))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_FEED_OWNER")


def test_the_hubs_own_feed_belongs_to_no_province(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.append("hub.decisions", 1, *trips(1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_FEED_OWNER")


# Requests that are none


def test_bytes_that_are_no_message_are_malformed(chongqing: Province) -> None:
    raw = chongqing.channel.unary_unary(APPEND)
    refusal = refused(lambda: raw(b"\xff\xff\xff\xff", timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")


def test_a_string_that_is_no_utf8_is_malformed(chongqing: Province) -> None:
    raw = chongqing.channel.unary_unary(APPEND)
    refusal = refused(lambda: raw(b"\x0a\x02\xc9\xe7", timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")


def test_a_malformed_message_ends_its_stream_with_its_reason(chongqing: Province) -> None:
    raw = chongqing.channel.stream_stream("/chuanyu.exchange.v1.FeedService/StreamEvents")
    refusal = refused(lambda: list(raw(iter([b"\xff\xff\xff\xff"]), timeout=DEADLINE_S)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")


def test_a_request_that_breaks_a_rule_of_its_own_lists_the_field(chongqing: Province, feed: str) -> None:
    refusal = refused(lambda: chongqing.append(feed, 0, *trips(1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert refusal.violations == [("first_sequence", "uint64.gte")]


# Unknown fields


def test_unknown_fields_are_dropped_before_storing(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    newer = event_pb2.Event.FromString(journey("A12345678").SerializeToString() + FROM_A_LATER_RELEASE)
    appended = chongqing.append(feed, 1, newer)
    assert b"later" in newer.SerializeToString()
    assert b"later" not in recorded_at(shared_hub.dsn, appended.positions[0]).data


def test_an_identical_resend_with_unknown_fields_still_matches(chongqing: Province, feed: str) -> None:
    newer = event_pb2.Event.FromString(journey("A12345678").SerializeToString() + FROM_A_LATER_RELEASE)
    chongqing.append(feed, 1, newer)
    assert list(chongqing.append(feed, 1, newer).outcomes) == [DUPLICATE]


def test_a_resend_that_differs_in_an_unknown_field_is_a_conflict(chongqing: Province, feed: str) -> None:
    newer = event_pb2.Event.FromString(journey("A12345678").SerializeToString() + FROM_A_LATER_RELEASE)
    chongqing.append(feed, 1, newer)
    assert refused(lambda: chongqing.append(feed, 1, journey("A12345678"))).reason == "SEQUENCE_CONFLICT"


# StreamEvents


def test_a_stream_answers_each_batch_in_order(chongqing: Province, feed: str) -> None:
    batches = [batch(feed, 1 + 10 * number, *trips(10)) for number in range(40)]
    answers = list(chongqing.feeds.StreamEvents(iter(batches), timeout=DEADLINE_S))
    assert [answer.first_sequence for answer in answers] == [1 + 10 * number for number in range(40)]
    assert [len(answer.appended.positions) for answer in answers] == [10] * 40


def test_a_stream_is_answered_while_it_is_open(chongqing: Province, feed: str) -> None:
    requests: queue.SimpleQueue[feed_service_pb2.StreamEventsRequest | None] = queue.SimpleQueue()
    answers = chongqing.feeds.StreamEvents(iter(requests.get, None), timeout=DEADLINE_S)
    requests.put(batch(feed, 1, *trips(1)))
    assert list(next(answers).appended.outcomes) == [RECORDED]
    requests.put(None)


def test_a_refused_batch_is_answered_in_the_stream(chongqing: Province, feed: str) -> None:
    answers = list(chongqing.feeds.StreamEvents(iter([batch(feed, 5, *trips(1))]), timeout=DEADLINE_S))
    refusal = refused_in_stream(answers[0].refused)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP")
    assert refusal.metadata == {"expected_sequence": "1"}


def test_a_stream_stays_open_after_a_refused_batch(chongqing: Province, feed: str) -> None:
    batches = [
        batch(feed, 1, *trips(1)),
        batch(feed, 9, *trips(1)),
        batch("cq.no-such-feed", 1, *trips(1)),
        batch(feed, 2, *trips(1)),
    ]
    answers = list(chongqing.feeds.StreamEvents(iter(batches), timeout=DEADLINE_S))
    assert [answer.WhichOneof("result") for answer in answers] == ["appended", "refused", "refused", "appended"]


def test_a_stream_that_nobody_reads_any_more_leaves_no_task_behind(dsn: str, tmp_path: Path) -> None:
    empty = batch("cq.nobodys", 1)

    async def batches() -> AsyncIterator[Received]:
        while True:
            yield Received(empty, (), 0, 0)

    async def give_up() -> int:
        quotas = Quotas(Quota(1_000, 10_000, 256, 64))
        directory = Directory(dsn, quotas)
        keyring, reads = open_keyring(tmp_path), Reads(dsn, "hub_reader", "reads")
        proofs = (
            Receipts(open_receipt_keys(tmp_path).newest, "log/1"),
            BlockKeys(directory, reads, Digests(keyring), DecisionWriter(dsn, 1)),
        )
        service = FeedService(reads, JournalWriter(dsn), Intake(keyring), directory, reference.load(), Pace(10.0), *proofs)
        one = Participant(hub_decisions_pb2.ParticipantRegistered(participant=CHONGQING, province="50"))
        answers = service.stream_events(batches(), Caller(CHONGQING, "50", Call(APPEND), Peer(CHONGQING), quotas.of(one), CurrentRights()))
        assert (await anext(answers)).HasField("refused")
        await asyncio.sleep(0.2)
        await answers.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        directory.close()
        return len(asyncio.all_tasks())

    # The one that counts.
    assert asyncio.run(give_up()) == 1


def test_a_stream_may_carry_several_feeds(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    other = add_feed(shared_hub, CHONGQING, "cq.beside-the-other")
    batches = [batch(feed, 1, *trips(1)), batch(other, 1, *trips(1)), batch(feed, 2, *trips(1))]
    answers = list(chongqing.feeds.StreamEvents(iter(batches), timeout=DEADLINE_S))
    assert [answer.feed for answer in answers] == [feed, other, feed]


# How a refusal looks

REFUSED: dict[str, Callable[[Province, str], object]] = {
    "SEQUENCE_GAP": lambda province, feed: province.append(feed, 7, *trips(1)),
    "BATCH_EMPTY": lambda province, feed: province.append(feed, 1),
    "BATCH_TOO_LARGE": lambda province, feed: province.append(feed, 1, *trips(501)),
    "REQUEST_INVALID": lambda province, feed: province.append(feed, 0, *trips(1)),
    "REQUEST_MALFORMED": lambda province, _: province.channel.unary_unary(APPEND)(b"\xff", timeout=DEADLINE_S),
    "FEED_UNKNOWN": lambda province, _: province.append("cq.no-such-feed", 1, *trips(1)),
    "NOT_FEED_OWNER": lambda province, _: province.append("sc.card-center", 1, *trips(1)),
}  # fmt: skip

# What errors.proto says above each reason: "// CODE: when."
DOCUMENTED = {
    reason: code
    for code, reason in re.findall(
        r"// ([A-Z_]+): .*\n  ERROR_REASON_([A-Z_]+) =",
        (Path(__file__).parents[2] / "protos/chuanyu/exchange/v1/errors.proto").read_text(),
    )
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_carries_one_error_info_with_its_reason(reason: str, chongqing: Province, feed: str) -> None:
    refusal = refused(lambda: REFUSED[reason](chongqing, feed))
    assert [(info.domain, info.reason) for info in refusal.details(error_details_pb2.ErrorInfo)] == [(DOMAIN, reason)]


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_has_at_most_one_detail_beside_its_error_info(reason: str, chongqing: Province, feed: str) -> None:
    assert len(refused(lambda: REFUSED[reason](chongqing, feed)).status.details) <= 2


def test_the_table_of_codes_covers_every_reason_of_the_enum() -> None:
    # INTERNAL is no error of the tree: it means every fault that is not in it.
    assert {reason for _, reason in CODES.values()} | {"INTERNAL"} == REASONS - {"UNSPECIFIED"}


def test_each_reason_has_the_code_its_proto_comment_documents() -> None:
    in_table = {reason: code_pb2.Code.Name(code) for code, reason in CODES.values()}
    assert in_table | {"INTERNAL": "INTERNAL"} == DOCUMENTED


def test_every_error_of_the_tree_that_reaches_a_caller_is_in_the_table() -> None:
    # What only the process that runs audits meets, and only who has statements issued.
    own = {errors.HubError, audit_errors.AuditNotApproved, audit_errors.AuditNotRunning}
    own |= {settlement_errors.WindowAlreadyStated, settlement_errors.WindowBefore, settlement_errors.WindowNotEnded}
    own |= {reconciliation_errors.TotalsFileUnfit, indicator_errors.DefinitionInvalid}
    # Reports for the joint meeting are made by operators.
    own |= {meeting_errors.PeriodUnfit, meeting_errors.PeriodNotBegun}
    own |= {meeting_errors.KnownBeforeTheLast, meeting_errors.ReportOfAnotherRelease}
    known = [
        error
        for module in (errors, audit_errors, finding_errors, indicator_errors, meeting_errors, reconciliation_errors, settlement_errors)
        for error in vars(module).values()
    ]
    known += [SequenceArchived, ReceiptBookAltered]
    assert {error for error in known if isinstance(error, type)} - own == set(CODES)


def test_every_reason_stands_on_the_page_of_the_protocol_or_of_agreements() -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = (docs / "protocol.md").read_text(encoding="utf-8") + (docs / "agreements.md").read_text(encoding="utf-8")
    assert [reason for _, reason in CODES.values() if reason not in pages] == []


def test_every_method_stands_on_the_page_of_the_protocol() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    methods = [method.name for one in SERVICES.values() for method in one.methods]
    assert [name for name in methods if name not in page] == []


def test_the_examples_of_the_reference_are_answered_as_they_say(chongqing: Province, feed: str) -> None:
    good, bad = examples.of_method("AppendEvents").request, examples.of_method("ValidateEvents")
    asked = [feed_service_pb2.ValidateEventsRequest(feed=feed, events=one.events) for one in (good, bad.request)]
    answers = [chongqing.feeds.ValidateEvents(one, timeout=DEADLINE_S) for one in asked]
    assert list(answers[0].faults) == []
    assert answers[1] == bad.response


def test_a_fault_of_the_hub_tells_nothing_but_its_trace_id() -> None:
    info = error_details_pb2.ErrorInfo.FromString(internal("0af7651916cd43dd8448eb211c80319c").details[0].value)
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"trace_id": "0af7651916cd43dd8448eb211c80319c"})
