"""A loss across provinces: each step of it, both sides at once, a block that is always lifted once, and who bears a use in between."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.card import Fact, standing
from hub.domain.instants import HOUR_US
from hub.domain.loss import Loss, Report, TapFinding, is_lost_already, judge_tap, liability_window
from tests.facts import at, history, registered, told

TEMPORARY, FORMAL = 1, 2
CARD = references.CardRef(issuing_province="50", kind=references.CARD_IDENTIFIER_KIND_CARD_NO, key=bytes(range(32)))
FEED, ISSUER = "sc.card-center", "cq.card-center"


def request(hour: float = 10, position: int = 10, feed: str = FEED) -> Report:
    return Report(feed, position, position, at(hour))


def answer(hour: float = 11, position: int = 30) -> Report:
    return Report(ISSUER, position, position, at(hour))


def opened(loss_type: int = TEMPORARY) -> Loss:
    """A loss asked for at ten, blocked for 72 hours and forwarded."""
    loss = Loss.open(CARD, loss_type, "510100", request())
    loss.place_block(at(10) + 72 * HOUR_US)
    loss.forward(at(10))
    return loss


def kinds(loss: Loss) -> list[str]:
    return [event.kind for event in loss.collect_events()]


def lifted(loss: Loss) -> Any:
    return [event for event in loss.collect_events() if event.kind == "provisional_block_lifted"]


def test_a_request_blocks_and_is_forwarded() -> None:
    loss = opened()
    assert (loss.state, loss.block_expires_us, loss.is_forwarded) == ("OPEN", at(82), True)
    assert kinds(loss) == ["loss_opened", "provisional_block_placed", "loss_request_forwarded"]


def test_every_event_names_the_card_by_its_key_and_the_place() -> None:
    events = opened().collect_events()
    assert {(event.card.key, event.service_region) for event in events if event.card} == {(bytes(range(32)), "510100")}


def test_a_block_stands_once_and_is_forwarded_once() -> None:
    loss = opened()
    assert (loss.place_block(at(99)), loss.forward(at(11)), loss.block_expires_us) == (False, False, at(82))


@pytest.mark.parametrize(
    ("loss_type", "report", "state"),
    [
        (TEMPORARY, "temporary_loss_reported", "CONFIRMED"),
        (TEMPORARY, "formal_loss_reported", "CONFIRMED"),
        (FORMAL, "formal_loss_reported", "CONFIRMED"),
        (FORMAL, "temporary_loss_reported", "OPEN"),
    ],
)
def test_the_issuers_own_report_confirms_what_it_covers(loss_type: int, report: str, state: str) -> None:
    loss = opened(loss_type)
    loss.confirm(answer(), report)
    assert loss.state == state


def test_confirmed_lifts_the_block_and_says_why() -> None:
    loss = opened()
    loss.confirm(answer(), "temporary_loss_reported")
    [event] = lifted(loss)
    assert (event.message.cause_code, list(event.message.request_positions), event.message.request.feed) == ("CONFIRMED", [10], FEED)


def test_refused_lifts_the_block_and_keeps_the_reason() -> None:
    loss = opened()
    loss.refuse(answer(), "NOT_HOLDER")
    closed, block = loss.collect_events()[-2:]
    assert (closed.message.reason_code, block.message.cause_code, loss.state) == ("NOT_HOLDER", "REFUSED", "REFUSED")


@pytest.mark.parametrize(("hour", "state"), [(81.99, "OPEN"), (82, "EXPIRED"), (200, "EXPIRED")])
def test_a_block_runs_out_after_its_72_hours(hour: float, state: str) -> None:
    loss = opened()
    loss.expire(at(hour))
    assert loss.state == state


def test_a_block_that_ran_out_is_lifted_at_that_instant_not_when_it_was_noticed() -> None:
    loss = opened()
    loss.expire(at(200))
    [event] = lifted(loss)
    assert (event.message.cause_code, event.timestamp.timestamp()) == ("EXPIRED", at(82) / 1_000_000)


def test_the_side_that_asked_may_take_its_request_back() -> None:
    loss = opened()
    loss.withdraw(Report(FEED, 11, 31, at(12)))
    assert (loss.state, [event.message.cause_code for event in lifted(loss)]) == ("WITHDRAWN", ["WITHDRAWN"])


def test_a_request_of_both_sides_is_not_taken_back_by_one() -> None:
    loss = opened()
    loss.repeat(request(10, 11, ISSUER), is_lost=False)
    assert (loss.withdraw(Report(FEED, 11, 31, at(12))), loss.state) == (False, "OPEN")


def test_a_block_is_lifted_once_whatever_comes_after() -> None:
    loss = opened()
    loss.confirm(answer(), "temporary_loss_reported")
    loss.confirm(answer(12, 31), "formal_loss_reported")
    loss.refuse(answer(13, 32), "NOT_HOLDER")
    loss.expire(at(200))
    assert len(lifted(loss)) == 1


def test_a_late_answer_is_taken_after_the_block_ran_out() -> None:
    loss = opened()
    loss.expire(at(82))
    loss.confirm(answer(90), "formal_loss_reported")
    assert (loss.state, len(lifted(loss))) == ("CONFIRMED", 1)


def test_an_answer_from_before_the_request_is_none() -> None:
    loss = opened()
    assert (loss.refuse(answer(9, 9), "NOT_HOLDER"), loss.state) == (False, "OPEN")


def test_both_sides_at_the_same_second_are_one_loss_and_the_second_is_answered_already() -> None:
    # G5.
    key = CARD.key
    loss = opened()
    reopens = loss.repeat(request(10, 11, ISSUER), is_lost=False)
    assert Loss.create_id(key, TEMPORARY, at(10)) == loss.id
    assert (reopens, kinds(loss)[3:], loss.state) == (False, ["loss_request_repeated"], "OPEN")


def test_the_end_lifts_the_blocks_of_both_requests() -> None:
    loss = opened()
    loss.repeat(request(10, 11, ISSUER), is_lost=False)
    loss.confirm(answer(), "temporary_loss_reported")
    assert list(lifted(loss)[0].message.request_positions) == [10, 11]


@pytest.mark.parametrize(
    ("key", "loss_type", "hour"), [(bytes(32), TEMPORARY, 10), (bytes(range(32)), FORMAL, 10), (bytes(range(32)), TEMPORARY, 24)]
)
def test_another_card_kind_or_local_day_is_another_loss(key: bytes, loss_type: int, hour: float) -> None:
    assert Loss.create_id(key, loss_type, at(hour)) != Loss.create_id(CARD.key, TEMPORARY, at(10))


def test_who_has_the_key_of_a_card_cannot_name_its_losses() -> None:
    blinded = Loss.open(CARD, TEMPORARY, "510100", request(), bytes(16))
    assert blinded.id == Loss.create_id(CARD.key, TEMPORARY, at(10), bytes(16)) != Loss.create_id(CARD.key, TEMPORARY, at(10))
    assert (blinded.is_of_day(at(10)), blinded.is_of_day(at(24))) == (True, False)


def test_a_request_read_again_changes_nothing() -> None:
    loss = opened()
    assert (loss.repeat(request(), is_lost=False), loss.version) == (False, 3)


def test_a_card_that_was_lost_already_is_confirmed_without_a_block() -> None:
    loss = Loss.open(CARD, TEMPORARY, "510100", request())
    loss.confirm_at_once(at(9))
    assert (loss.place_block(at(82)), loss.forward(at(10)), loss.state, loss.effective_us) == (False, False, "CONFIRMED", at(9))
    assert [event.message.was_lost_already for event in loss.collect_events() if event.kind == "loss_closed"] == [True]


@pytest.mark.parametrize(("is_lost", "state"), [(False, "OPEN"), (True, "REFUSED")])
def test_a_refused_loss_is_opened_again_by_a_new_request_unless_the_card_is_lost(is_lost: bool, state: str) -> None:
    loss = opened()
    loss.refuse(answer(), "NOT_HOLDER")
    loss.repeat(request(12, 40), is_lost=is_lost)
    assert (loss.state, loss.place_block(at(84)), loss.forward(at(12))) == (state, not is_lost, not is_lost)


def test_an_answer_to_the_first_request_does_not_close_the_second() -> None:
    loss = opened()
    loss.refuse(answer(), "NOT_HOLDER")
    loss.repeat(request(12, 40), is_lost=False)
    assert (loss.refuse(answer(11, 30), "NOT_HOLDER"), loss.state) == (False, "OPEN")


def test_the_loss_is_effective_from_the_first_report_that_reached_any_side() -> None:
    loss = opened()
    loss.repeat(request(9.5, 11, ISSUER), is_lost=False)
    assert loss.effective_us == at(9.5)


def test_a_later_book_time_of_the_issuer_does_not_move_the_effective_time() -> None:
    loss = opened()
    loss.confirm(answer(15), "formal_loss_reported")
    assert loss.effective_us == at(10)


def test_an_aggregate_rebuilt_from_its_events_is_the_same() -> None:
    loss = opened()
    loss.repeat(request(10, 11, ISSUER), is_lost=False)
    loss.refuse(answer(), "NOT_HOLDER")
    rebuilt = Loss.project(None, loss.collect_events())
    assert rebuilt is not None
    assert (rebuilt.id, rebuilt.version, rebuilt.state, rebuilt.requests) == (loss.id, 6, "REFUSED", loss.requests)


@pytest.mark.parametrize(
    ("loss_type", "status", "is_lost"),
    [(TEMPORARY, "TEMP_LOST", True), (TEMPORARY, "ACTIVE", False), (FORMAL, "TEMP_LOST", False), (FORMAL, "CANCELLED", True)],
)
def test_a_formal_loss_is_more_than_a_temporary_one(loss_type: int, status: str, is_lost: bool) -> None:
    assert is_lost_already(loss_type, status) is is_lost


# Liability


@pytest.mark.parametrize(
    ("hour", "hotlist_hour", "finding"),
    [
        (9 + 59 / 60, 11, TapFinding("", False)),
        (10, 11, TapFinding("USE_AFTER_LOSS", True)),
        (10 + 20 / 60, 11, TapFinding("USE_AFTER_LOSS", True)),
        (10 + 20 / 60, None, TapFinding("USE_AFTER_LOSS", True)),
        (11, 11, TapFinding("USE_AFTER_LOSS", False)),
        (10, 9, TapFinding("USE_AFTER_LOSS", False)),
    ],
)
def test_a_tap_between_the_request_and_the_devices_hotlist_lies_in_the_liability_window(
    hour: float, hotlist_hour: float | None, finding: TapFinding
) -> None:
    # G4: reported in Chengdu at 10:00; 09:59 is valid however late it arrives, 10:20 at a gate with the old hotlist is not.
    window = liability_window(at(10), None if hotlist_hour is None else at(hotlist_hour))
    assert judge_tap(at(hour), window) == finding


# The fold of the card


def block(kind: str, hour: float, position: int, until_hour: float | None = None, sequence: int = 1) -> Fact:
    fact = told(kind, hour, until_hour=until_hour)
    more = {"positions": [position]} if kind == "provisional_block_lifted" else {"position": position, "request": f"{FEED}#{sequence}"}
    return fact._replace(detail={**fact.detail, **more})


def blocked(facts: list[Fact], hour: float) -> bool:
    return standing(facts, at(hour)).block_until_us is not None


def test_a_lifted_block_leaves_that_of_another_request_in_place() -> None:
    facts = history(
        registered("ACTIVE"),
        told("loss_request_submitted", 1, loss_type=TEMPORARY),
        told("loss_request_submitted", 2, loss_type=FORMAL),
        block("provisional_block_placed", 1, 2, 73, 1),
        block("provisional_block_placed", 2, 3, 74, 2),
        block("provisional_block_lifted", 5, 2),
    )
    assert (blocked(facts, 6), blocked([*facts, block("provisional_block_lifted", 7, 3)], 8)) == (True, False)


def test_a_confirmed_block_is_lifted_and_the_loss_itself_denies() -> None:
    facts = history(
        registered("ACTIVE"),
        told("loss_request_submitted", 1, loss_type=TEMPORARY),
        block("provisional_block_placed", 1, 2, 73),
        told("temporary_loss_reported", 2),
        block("provisional_block_lifted", 2, 2),
    )
    card = standing(facts, at(3))
    assert (card.social_status, card.block_until_us) == ("TEMP_LOST", None)


def test_a_refusal_names_the_request_it_refuses() -> None:
    refusal = told("loss_request_refused", 3)._replace(detail={"request": f"{FEED}#1"})
    facts = history(
        registered("ACTIVE"), block("provisional_block_placed", 1, 2, 73, 1), block("provisional_block_placed", 2, 3, 74, 2), refusal
    )
    assert standing(facts, at(4)).block_until_us == at(74)
