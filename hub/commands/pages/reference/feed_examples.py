"""Examples of the calls that move events: feeds, hotlists, subscriptions."""

from collections.abc import Callable, Mapping

from chuanyu.exchange.v1 import feed_service_pb2, hotlist_service_pb2, receipts_pb2, references_pb2, subscription_service_pb2

from hub.commands.pages.reference.samples import FEED, TRACE_PARENT, Example, at, loss
from hub.domain.quarantine import put_into_words
from hub.trust.batch_texts import ReceiptSays, receipt_text

_KEY = "16d8a3f2b7905c4e"
_EVENTS = bytes(range(32))


def _receipt() -> receipts_pb2.Receipt:
    recorded_us = at(1).ToMicroseconds()
    text = receipt_text(ReceiptSays("exchange.chuanyu/1", FEED, 42, 42, [(180_233, 180_233)], recorded_us, _EVENTS, _KEY))
    return receipts_pb2.Receipt(text=text, key_id=_KEY, signature=bytes(64), blind=bytes(32))


def _appended() -> feed_service_pb2.AppendEventsResponse:
    recorded = feed_service_pb2.EVENT_OUTCOME_RECORDED
    return feed_service_pb2.AppendEventsResponse(
        feed=FEED, first_sequence=42, positions=[180_233], outcomes=[recorded], recorded_at=at(1), receipt=_receipt()
    )


def _get_feed() -> Example:
    answer = feed_service_pb2.GetFeedResponse(feed=FEED, next_sequence=42, last_position=180_107, last_recorded_at=at(-60))
    return Example(feed_service_pb2.GetFeedRequest(feed=FEED), answer)


def _append_events() -> Example:
    request = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=42, events=[loss()], trace_parents=[TRACE_PARENT])
    return Example(request, _appended())


def _validate_events() -> Example:
    fault = feed_service_pb2.EventFaults(index=0)
    fault.violations.add(field_path="issuer_region", rule_id="unknown_region")
    put_into_words(fault.violations)
    request = feed_service_pb2.ValidateEventsRequest(feed=FEED, events=[loss()])
    request.events[0].issuer_region = "509999"
    return Example(request, feed_service_pb2.ValidateEventsResponse(faults=[fault]))


def _stream_events() -> Example:
    request = feed_service_pb2.StreamEventsRequest(feed=FEED, first_sequence=42, events=[loss()], trace_parents=[TRACE_PARENT])
    return Example(request, feed_service_pb2.StreamEventsResponse(feed=FEED, first_sequence=42, appended=_appended()))


def _get_receipt_keys() -> Example:
    ed25519 = receipts_pb2.SIGNING_ALGORITHM_ED25519
    key = receipts_pb2.ReceiptKey(key_id=_KEY, algorithm=ed25519, public_key=bytes(32), valid_from=at(-86_400))
    answer = feed_service_pb2.GetReceiptKeysResponse(origin="exchange.chuanyu/1", keys=[key])
    return Example(feed_service_pb2.GetReceiptKeysRequest(), answer)


def _get_block_keys() -> Example:
    request = feed_service_pb2.GetBlockKeysRequest(feed=FEED, first_sequence=1, last_sequence=42, purpose_code="AUDIT")
    key = receipts_pb2.BlockKey(block=0, key=bytes(32))
    return Example(request, feed_service_pb2.GetBlockKeysResponse(keys=[key], opened_after=12, position=180_240))


def _file(base_epoch: int) -> hotlist_service_pb2.HotlistFile:
    return hotlist_service_pb2.HotlistFile(
        epoch=17,
        base_epoch=base_epoch,
        as_of_position=180_239,
        made_at=at(),
        listed_count=1,
        size_bytes=4,
        digest=bytes(32),
        latest_epoch=17,
    )


def _get_hotlist() -> Example:
    return Example(hotlist_service_pb2.GetHotlistRequest(), hotlist_service_pb2.GetHotlistResponse(file=_file(17), chunk=bytes(4)))


def _stream_hotlist_deltas() -> Example:
    request = hotlist_service_pb2.StreamHotlistDeltasRequest(from_epoch=16, follow=True)
    return Example(request, hotlist_service_pb2.StreamHotlistDeltasResponse(file=_file(12), delta=bytes(4)))


def _subscribe() -> Example:
    request = subscription_service_pb2.SubscribeRequest(from_position=180_000, kinds=["temporary_loss_reported"])
    delivered = subscription_service_pb2.DeliveredEvent(
        position=180_233, recorded_at=at(1), recorded_as=references_pb2.EventRef(feed=FEED, sequence=42), event=loss()
    )
    return Example(request, subscription_service_pb2.SubscribeResponse(delivered=delivered))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetFeed": _get_feed,
    "AppendEvents": _append_events,
    "ValidateEvents": _validate_events,
    "StreamEvents": _stream_events,
    "GetReceiptKeys": _get_receipt_keys,
    "GetBlockKeys": _get_block_keys,
    "GetHotlist": _get_hotlist,
    "StreamHotlistDeltas": _stream_hotlist_deltas,
    "Subscribe": _subscribe,
}
