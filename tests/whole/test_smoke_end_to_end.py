"""The way of one event, over mutual TLS and real processes."""

import time

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2_grpc, feed_service_pb2, feed_service_pb2_grpc

from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import lost, question, registered


def test_a_loss_reported_by_one_province_is_refused_in_the_other(hub: RunningHub) -> None:
    feeds = feed_service_pb2_grpc.FeedServiceStub(hub.channel(CHONGQING))
    appended = feeds.AppendEvents(feed_service_pb2.AppendEventsRequest(
        feed="cq.card-center", first_sequence=1, events=[registered("A12345678"), lost("A12345678")]))  # fmt: skip
    cards = card_service_pb2_grpc.CardServiceStub(hub.channel(SICHUAN))
    answer = cards.CheckAcceptance(question("q1", "A12345678", min_position=appended.positions[-1]))
    # Temporary loss of September 2025 has long run out: the card is active again.
    assert answer.outcome == acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT
    appended = feeds.AppendEvents(feed_service_pb2.AppendEventsRequest(
        feed="cq.card-center", first_sequence=3, events=[lost("A12345678", at_s=int(time.time()) - 60)]))  # fmt: skip
    answer = cards.CheckAcceptance(question("q2", "A12345678", min_position=appended.positions[-1]))
    assert answer.outcome == acceptance_pb2.ACCEPTANCE_OUTCOME_DENY
    assert [reason.code for reason in answer.reasons] == ["LOST_TEMP"]
    assert answer.position > answer.as_of_position >= appended.positions[-1]
    with psycopg.connect(hub.dsn) as connection:
        without = """
            SELECT e.position, e.kind FROM journal.event e JOIN journal.stream s USING (stream_id) WHERE e.leaf IS DISTINCT FROM
                journal.leaf(e.position, e.recorded_at, e.sequence, s.name, e.occurred_at, e.kind, e.digest, e.data)"""
        assert connection.execute(without).fetchall() == []
