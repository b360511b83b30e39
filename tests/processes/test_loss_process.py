"""The loss process on a real journal: what it records for requests and answers, once, whatever crashes and begins again."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.admin.registry import register_participant
from hub.domain import reference
from hub.domain.card import standing
from hub.domain.loss import Loss, Report
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from hub.processes import runner
from hub.processes.losses import CHECKPOINT, LossProcess
from hub.projections import PROJECTIONS
from hub.projections import runner as views
from hub.projections.engine import create_views
from hub.projections.views.card_standing import facts_of
from tests.clients import journal
from tests.recording import AT_S, CHONGQING, OWNERS, SICHUAN, Recording, about, correcting, key_of, lost, name_card, registered, reversing

SC, CQ = "sc.card-center", "cq.card-center"
HOUR_S = 3_600
OPENED = ["loss_opened", "provisional_block_placed", "loss_request_forwarded"]
CLOSED = ["loss_closed", "provisional_block_lifted"]


class Saga:
    """A journal with both provinces' feeds, its views, and a process that is started again when asked."""

    def __init__(self, dsn: str) -> None:
        self.dsn, self.store = dsn, AggregateStore(dsn)
        self.recording = Recording(dsn)
        for urn, province in ((SICHUAN, "51"), (CHONGQING, "50")):
            feeds = [feed for feed, owner in OWNERS.items() if owner == urn]
            register_participant(self.store, urn, province, urn, feeds, datetime.now(UTC), every_role())
        self.views, self.connection = views.connect(dsn), runner.connect(dsn)
        create_views(self.views, PROJECTIONS)
        self.restart()

    def restart(self) -> None:
        self.process = LossProcess(self.connection, self.store, reference.load())

    def tell(self, feed: str, *events: event_pb2.Event) -> None:
        self.recording.append(*events, feed=feed)

    def work(self, at_s: int = AT_S + 600) -> None:
        """Folds and handles all there is, as the clock is at *at_s*."""
        moved = 1
        while moved:
            views.catch_up(self.views)
            moved = self.process.advance(at_s * 1_000_000)

    def recorded(self) -> list[str]:
        """The kinds that the process recorded."""
        wanted = {*OPENED, *CLOSED, "loss_request_repeated"}
        return [event.kind for event in journal(self.dsn) if event.kind in wanted]

    def causes(self) -> list[str]:
        return [e.event.provisional_block_lifted.cause_code for e in journal(self.dsn) if e.kind == "provisional_block_lifted"]

    def is_blocked(self, card_no: str, at_s: int) -> bool:
        rows = self.views.execute("SELECT facts FROM views.card_standing WHERE key = %s", (key_of(card_no),)).fetchall()
        return standing(facts_of(rows[0][0]), at_s * 1_000_000).block_until_us is not None

    def forget(self) -> None:
        """Sets the checkpoint back to the beginning, as if a crash had lost it."""
        self.connection.execute("UPDATE views.checkpoint SET position = 0 WHERE view = %s", (CHECKPOINT,))
        self.restart()

    def close(self) -> None:
        self.recording.close()
        self.views.close()
        self.connection.close()
        self.store.close()


@pytest.fixture
def saga(dsn: str) -> Iterator[Saga]:
    saga = Saga(dsn)
    saga.tell(CQ, registered("A00000001", AT_S))
    yield saga
    saga.close()


def requested(card_no: str = "A00000001", after_s: int = 60, loss_type: int = 1) -> event_pb2.Event:
    event = about(card_no, AT_S + after_s)
    event.loss_request_submitted.loss_type, event.loss_request_submitted.accepted_at_region = loss_type, "510100"  # type: ignore[assignment]
    return event


def refused(sequence: int = 1, after_s: int = 120, feed: str = SC) -> event_pb2.Event:
    event = about("A00000001", AT_S + after_s)
    event.loss_request_refused.request.feed, event.loss_request_refused.request.sequence = feed, sequence
    event.loss_request_refused.reason_code = "NOT_HOLDER"
    return event


def formally_lost(after_s: int) -> event_pb2.Event:
    event = about("A00000001", AT_S + after_s)
    event.formal_loss_reported.channel = 2
    return event


def test_a_request_is_blocked_and_forwarded(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.work()
    assert (saga.recorded(), saga.is_blocked("A00000001", AT_S + 61)) == (OPENED, True)


def test_the_block_holds_for_the_hours_of_the_policy_table(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.work()
    [placed] = [event for event in journal(saga.dsn) if event.kind == "provisional_block_placed"]
    assert placed.event.provisional_block_placed.expires_at.seconds == AT_S + 60 + 72 * HOUR_S
    assert (placed.event.card.key, placed.event.service_region) == (key_of("A00000001"), "510100")


def test_the_issuers_loss_confirms_and_lifts(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.tell(CQ, lost("A00000001", AT_S + 90))
    saga.work()
    assert (saga.recorded(), saga.causes()) == ([*OPENED, *CLOSED], ["CONFIRMED"])


def test_a_temporary_loss_that_the_other_side_reports_confirms_nothing(saga: Saga) -> None:
    saga.tell(SC, requested(), lost("A00000001", AT_S + 90))
    saga.work()
    assert saga.recorded() == OPENED


def test_a_refusal_lifts_and_the_card_is_usable_again(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.tell(CQ, refused())
    saga.work()
    assert (saga.causes(), saga.is_blocked("A00000001", AT_S + 121)) == (["REFUSED"], False)


def test_a_refusal_of_another_request_lifts_nothing(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.tell(CQ, refused(sequence=7))
    saga.work()
    assert saga.recorded() == OPENED


@pytest.mark.parametrize(("hours", "causes"), [(71, []), (73, ["EXPIRED"])])
def test_a_block_without_an_answer_runs_out(hours: int, causes: list[str], saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.work(AT_S + hours * HOUR_S)
    saga.work(AT_S + hours * HOUR_S)
    assert saga.causes() == causes


def test_an_answer_that_came_in_time_counts_though_the_views_read_it_late(saga: Saga) -> None:
    now_s = int(time.time())
    saga.tell(SC, requested(after_s=now_s - HOUR_S - AT_S))
    saga.work(now_s)
    saga.tell(CQ, refused(after_s=now_s - AT_S))
    assert saga.process.advance((now_s + 100 * HOUR_S) * 1_000_000) == 0
    assert saga.causes() == []
    saga.work(now_s + 100 * HOUR_S)
    assert saga.causes() == ["REFUSED"]


def test_both_sides_at_the_same_second_are_one_loss(saga: Saga) -> None:
    # G5: the issuer's own report is there when the request comes; the request finds the card lost already.
    saga.tell(CQ, lost("A00000001", AT_S + 60))
    saga.tell(SC, requested(after_s=60))
    saga.work()
    [closed] = [event for event in journal(saga.dsn) if event.kind == "loss_closed"]
    assert (saga.recorded(), closed.event.loss_closed.was_lost_already) == (["loss_opened", "loss_closed"], True)


def test_a_loss_that_the_issuer_had_before_is_effective_from_its_own_report(saga: Saga) -> None:
    saga.tell(CQ, lost("A00000001", AT_S + 30))
    saga.tell(SC, requested(after_s=60))
    saga.work()
    [closed] = [event for event in journal(saga.dsn) if event.kind == "loss_closed"]
    assert closed.event.loss_closed.effective_at.seconds == AT_S + 30


def test_a_release_after_the_reissue_leaves_the_card_lost(saga: Saga) -> None:
    # G7: it is refused, so a further request finds the card lost already.
    released = about("A00000001", AT_S + 90)
    released.loss_released.channel = 2
    reissue = about("A00000001", AT_S + 80)
    reissue.reissue_applied.SetInParent()
    saga.tell(CQ, formally_lost(70), reissue, released)
    saga.tell(SC, requested(after_s=100))
    saga.work()
    assert saga.recorded() == ["loss_opened", "loss_closed"]


def test_requests_of_both_sides_at_the_same_second_are_one_loss(saga: Saga) -> None:
    # G5: the second answer is "already".
    saga.tell(SC, requested())
    saga.tell(CQ, requested())
    saga.work()
    assert saga.recorded() == [*OPENED, "loss_request_repeated"]


def test_the_name_of_a_loss_does_not_say_of_which_card_and_day_it_is(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.work()
    at_us = (AT_S + 60) * 1_000_000
    (name,) = saga.views.execute("SELECT s.name FROM views.loss l JOIN journal.stream s USING (stream_id)").fetchone() or ("",)
    digest = saga.views.execute("SELECT digest FROM journal.event WHERE kind = 'loss_request_submitted'").fetchone()
    assert digest is not None
    blind = bytes(digest[0])[16:]
    assert name == str(Loss.create_id(key_of("A00000001"), 1, at_us, blind)) != str(Loss.create_id(key_of("A00000001"), 1, at_us))


def test_a_loss_that_was_named_by_card_and_day_goes_on(saga: Saga) -> None:
    saga.tell(SC, requested())
    (position,) = saga.views.execute("SELECT position FROM journal.event WHERE kind = 'loss_request_submitted'").fetchone() or (0,)
    old = Loss.open(about("A00000001").card, 1, "510100", Report(SC, 1, position, (AT_S + 60) * 1_000_000))
    saga.store.save(old)
    saga.tell(CQ, requested(after_s=90))
    saga.work()
    assert saga.recorded().count("loss_opened") == 1
    assert saga.recorded().count("loss_request_repeated") == 1


def test_a_temporary_and_a_formal_request_are_two_losses_that_a_formal_loss_confirms(saga: Saga) -> None:
    saga.tell(SC, requested(), requested(loss_type=2))
    saga.tell(CQ, formally_lost(300))
    saga.work()
    assert (saga.recorded(), saga.causes()) == ([*OPENED, *OPENED, *CLOSED, *CLOSED], ["CONFIRMED", "CONFIRMED"])


def test_a_temporary_loss_leaves_the_block_of_a_formal_request(saga: Saga) -> None:
    saga.tell(SC, requested(), requested(loss_type=2))
    saga.tell(CQ, refused(sequence=1))
    saga.work()
    assert (saga.causes(), saga.is_blocked("A00000001", AT_S + 200)) == (["REFUSED"], True)


def test_a_request_after_a_refusal_is_blocked_again(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.tell(CQ, refused())
    saga.tell(SC, requested(after_s=300))
    saga.work()
    assert saga.recorded() == [*OPENED, *CLOSED, "loss_request_repeated", *OPENED[1:]]
    assert saga.is_blocked("A00000001", AT_S + 301)


def test_a_reversed_request_is_withdrawn(saga: Saga) -> None:
    saga.tell(SC, requested(), reversing(requested(after_s=90), 1, SC))
    saga.work()
    assert (saga.causes(), saga.is_blocked("A00000001", AT_S + 91)) == (["WITHDRAWN"], False)


def test_a_request_for_the_wrong_card_is_corrected(saga: Saga) -> None:
    saga.tell(CQ, registered("B00000002", AT_S))
    saga.tell(SC, requested(), correcting(requested("B00000002", 90), 1, SC))
    saga.work()
    assert (saga.recorded(), saga.causes()) == ([*OPENED, *CLOSED, *OPENED], ["WITHDRAWN"])
    assert (saga.is_blocked("A00000001", AT_S + 91), saga.is_blocked("B00000002", AT_S + 91)) == (False, True)


def test_a_request_by_another_identifier_is_about_the_same_card(saga: Saga) -> None:
    transit = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO
    known = registered("A00000001", AT_S)
    name_card(known.card_aliases.add(), "transit-1", kind=transit)
    saga.tell(CQ, known)
    request = requested()
    name_card(request.card, "transit-1", kind=transit)
    saga.tell(SC, request)
    saga.tell(CQ, lost("A00000001", AT_S + 90))
    saga.work()
    [opened] = [event for event in journal(saga.dsn) if event.kind == "loss_opened"]
    assert (opened.event.card.key, saga.causes()) == (key_of("A00000001"), ["CONFIRMED"])


def test_handled_again_from_the_beginning_nothing_is_recorded_twice(saga: Saga) -> None:
    saga.tell(SC, requested())
    saga.tell(CQ, refused())
    saga.tell(SC, requested(after_s=300), requested(after_s=310, loss_type=2))
    saga.tell(CQ, formally_lost(400))
    saga.work()
    once = saga.recorded()
    saga.forget()
    saga.work()
    assert saga.recorded() == once


def test_a_crash_between_recording_and_the_checkpoint_records_nothing_twice(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    saga.tell(SC, requested())
    save = LossProcess._save

    def save_and_die(process: LossProcess, loss: object) -> None:
        save(process, loss)  # type: ignore[arg-type]
        raise SystemExit

    monkeypatch.setattr(LossProcess, "_save", save_and_die)
    with pytest.raises(SystemExit):
        saga.work()
    monkeypatch.setattr(LossProcess, "_save", save)
    saga.restart()
    saga.work()
    assert saga.recorded() == OPENED


def test_only_one_of_two_processes_works_at_a_time(saga: Saga) -> None:
    saga.tell(SC, requested())
    views.catch_up(saga.views)
    other = runner.connect(saga.dsn)
    with other.transaction():
        other.execute("SELECT FROM views.checkpoint WHERE view = %s FOR NO KEY UPDATE", (CHECKPOINT,))
        assert saga.process.advance(AT_S * 1_000_000) == 0
    other.close()
    assert saga.recorded() == []


def test_the_view_of_losses_shows_where_each_stands(saga: Saga) -> None:
    saga.tell(SC, requested(), requested(loss_type=2))
    saga.tell(CQ, lost("A00000001", AT_S + 90))
    saga.work()
    rows = saga.views.execute("SELECT loss_type, state, expires_us FROM views.loss ORDER BY loss_type").fetchall()
    assert rows == [(1, "CONFIRMED", None), (2, "OPEN", (AT_S + 60 + 72 * HOUR_S) * 1_000_000)]
