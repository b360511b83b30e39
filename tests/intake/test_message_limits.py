"""What a message may cost: its size is judged before anything is parsed, and nothing that it holds many of is worth more than its bytes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from buf.validate import validate_pb2
from chuanyu.exchange.v1 import (
    event_pb2,
    feed_service_pb2,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)
from google.protobuf.descriptor import Descriptor

from hub.domain import reference
from hub.domain.event_rules import Context
from hub.domain.roles import every_role, rights_of
from hub.intake.batch import faults
from hub.intake.rule_faults import shape_faults
from hub.intake.turn import Questions, Turn, Turns
from tests.clients import DEADLINE_S, Province, refused, refused_in_stream
from tests.hub_process import RunningHub
from tests.messages import AT_S, journey

APPEND = "/chuanyu.exchange.v1.FeedService/AppendEvents"
FEED = "cq.usage"
RECORDED, QUARANTINED = feed_service_pb2.EVENT_OUTCOME_RECORDED, feed_service_pb2.EVENT_OUTCOME_QUARANTINED
MEBIBYTE = 1024 * 1024


def peak_growth_mib(hub: RunningHub, call: Iterator[object]) -> float:
    """By how much the memory of the edge was larger at its peak than before the calls."""
    edge = hub.edges[0].process
    assert edge is not None
    Path(f"/proc/{edge.pid}/clear_refs").write_text("5")
    before = psutil.Process(edge.pid).memory_info().rss
    for _ in call:
        pass
    peak_kib = next(line.split()[1] for line in Path(f"/proc/{edge.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak_kib) / 1024 - before / MEBIBYTE


def test_half_a_million_empty_events_are_refused_uncounted_and_cost_no_memory(shared_hub: RunningHub, chongqing: Province) -> None:
    bomb = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=1).SerializeToString() + b"\x1a\0" * 500_000
    append = chongqing.channel.unary_unary(APPEND)
    refusals = []
    grown = peak_growth_mib(shared_hub, (refusals.append(refused(lambda: append(bomb, timeout=DEADLINE_S))) for _ in range(8)))
    assert {refusal.reason for refusal in refusals} == {"BATCH_TOO_LARGE"}
    assert refusals[0].text == f"A batch holds at most 500 events and 1 MiB; cut it. It has more than 500 events and {len(bomb):,} bytes."
    limits = {"limit_events": "500", "limit_bytes": "1048576"}
    assert refusals[0].metadata == {"events": "501", "bytes": str(len(bomb)), **limits}
    assert grown < 48


def test_an_event_of_half_a_million_aliases_takes_its_number_unparsed(shared_hub: RunningHub, chongqing: Province) -> None:
    sent = journey("A12345678").SerializeToString() + b"\x2a\0" * 500_000
    answers: list[feed_service_pb2.AppendEventsResponse] = []

    def send() -> object:
        request = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=1).SerializeToString()
        size = bytes((len(sent) & 127 | 128, len(sent) >> 7 & 127 | 128, len(sent) >> 14))
        wire = request + b"\x1a" + size + sent
        answers.append(feed_service_pb2.AppendEventsResponse.FromString(chongqing.channel.unary_unary(APPEND)(wire, timeout=DEADLINE_S)))
        return answers

    assert peak_growth_mib(shared_hub, (send() for _ in range(1))) < 48
    assert list(answers[0].outcomes) == [QUARANTINED]
    assert [(broken.field_path, broken.rule_id) for broken in answers[0].quarantined[0].violations] == [("", "too_large")]
    assert list(chongqing.append(FEED, 2, journey("A12345678")).outcomes) == [RECORDED]


def test_a_field_with_too_many_items_is_one_fault_however_many_they_are() -> None:
    assert shape_faults(event_pb2.Event(card_aliases=[{}] * 8_000)) == [("card_aliases", "repeated.max_items")]
    nested = event_pb2.QuarantineReevaluated(accepted_event={"card_aliases": [{}] * 8_000})
    assert shape_faults(nested) == [("accepted_event.card_aliases", "repeated.max_items")]


def test_an_event_with_too_many_items_is_looked_into_no_further() -> None:
    event = journey("A12345678")
    event.venue_code = "500199198503211232"
    del event.card_aliases[:]
    event.card_aliases.extend(event.card for _ in range(500))
    context = Context(rights_of("50", every_role()), AT_S + 86_400, reference.load(), lambda _: True)
    kind = event.WhichOneof("kind")
    assert kind is not None
    assert faults(event, kind, getattr(event, kind), context) == [("card_aliases", "repeated.max_items")]


@pytest.mark.parametrize("others", [0, 7])
def test_batches_that_are_prepared_together_take_turns(others: int) -> None:
    async def together() -> None:
        turns, order = Turns(), list[int]()

        async def noting(number: int) -> None:
            async with Turn(turns) as turn:
                for _ in range(3):
                    order.append(number)
                    await turn.pass_on()

        await asyncio.gather(*(noting(number) for number in range(others + 1)))
        assert order == [*range(others + 1)] * 3
        given_up = asyncio.create_task(noting(0))
        async with Turn(turns):
            await asyncio.sleep(0)
            given_up.cancel()
        await asyncio.wait([given_up])
        # What was cancelled while it waited does not keep others waiting.
        async with Turn(turns) as turn:
            await turn.pass_on()

    asyncio.run(together())


def test_a_batch_lets_the_questions_under_way_go_first_but_not_for_ever() -> None:
    async def together() -> None:
        questions, order = Questions(), list[str]()
        turns = Turns(questions)

        async def question() -> None:
            async with questions:
                for _ in range(6):
                    await asyncio.sleep(0)
                order.append("answered")

        async def batch() -> None:
            async with Turn(turns) as turn:
                order.append("begun")
                asking = asyncio.create_task(question())
                await asyncio.sleep(0)
                await turn.pass_on()
                order.append("done")
            await asking

        await batch()
        assert order == ["begun", "answered", "done"]
        async with questions, Turn(turns):
            order.append("a question that is never answered keeps no batch waiting")

    asyncio.run(together())


def repeated_fields(descriptor: Descriptor, seen: set[str]) -> Iterator[tuple[str, int]]:
    """Every repeated field in a message and in what it holds, with the number of items that its annotation permits."""
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.is_repeated:
            yield field.full_name, field.GetOptions().Extensions[validate_pb2.field].repeated.max_items
        if field.message_type is not None and field.message_type.full_name not in seen:
            yield from repeated_fields(field.message_type, seen)


def test_every_repeated_field_of_an_event_says_how_many_items_it_may_have() -> None:
    assert [name for name, most in repeated_fields(event_pb2.Event.DESCRIPTOR, set()) if not most] == []


def test_more_trace_parents_than_events_are_refused(chongqing: Province) -> None:
    request = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=9, events=[journey("A12345678")], trace_parents=[""] * 501)
    assert refused(lambda: chongqing.feeds.AppendEvents(request, timeout=DEADLINE_S)).violations == [
        ("trace_parents", "repeated.max_items")
    ]


def test_a_batch_that_is_too_large_or_has_bytes_that_are_no_event_is_answered_in_its_stream(
    shared_hub: RunningHub, chongqing: Province
) -> None:
    stream = chongqing.channel.stream_stream("/chuanyu.exchange.v1.FeedService/StreamEvents")
    head = feed_service_pb2.StreamEventsRequest(feed=FEED, first_sequence=9_999).SerializeToString()
    sent = [head + b"\x1a\0" * 501, head + b"\x1a\x01\xff", head + b"\x1a\0"]
    answers = [feed_service_pb2.StreamEventsResponse.FromString(answer) for answer in stream(iter(sent), timeout=DEADLINE_S)]
    assert [refused_in_stream(answer.refused).reason for answer in answers] == ["BATCH_TOO_LARGE", "REQUEST_MALFORMED", "SEQUENCE_GAP"]


@pytest.mark.parametrize(
    "method", ["FeedService/GetFeed", "CardService/GetCard", "CardService/CheckAcceptance", "CardService/ExplainAcceptance"]
)
def test_a_request_of_another_method_is_refused_by_its_size_before_it_is_parsed(method: str, chongqing: Province) -> None:
    call = chongqing.channel.unary_unary(f"/chuanyu.exchange.v1.{method}")
    refusal = refused(lambda: call(b"\x0a" * 16_385, timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")
    assert refusal.metadata == {"bytes": "16385", "limit_bytes": "16384"}


def test_a_subscription_that_names_thousands_of_kinds_gets_one_fault(chongqing: Province) -> None:
    subscriptions = subscription_service_pb2_grpc.SubscriptionServiceStub(chongqing.channel)
    request = subscription_service_pb2.SubscribeRequest(kinds=["x"] * 4_000)
    assert refused(lambda: next(subscriptions.Subscribe(request, timeout=DEADLINE_S))).violations == [("kinds", "repeated.max_items")]


@pytest.mark.parametrize(("letters", "is_taken"), [(7_000, True), (9_000, False)])
def test_metadata_up_to_eight_kibibytes_is_always_taken_and_beyond_it_never(letters: int, is_taken: bool, chongqing: Province) -> None:
    request, metadata = feed_service_pb2.GetFeedRequest(feed=FEED), (("x-filling", "x" * letters),)
    refusals = 0
    for _ in range(10):
        try:
            chongqing.feeds.GetFeed(request, timeout=DEADLINE_S, metadata=metadata)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
            refusals += 1
    assert refusals == (0 if is_taken else 10)
