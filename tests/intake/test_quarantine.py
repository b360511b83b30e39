"""A bad event takes its number: quarantined with paths and rules, its original sealed, its neighbours untouched."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from chuanyu.exchange.v1 import card_lifecycle_pb2, event_pb2, feed_service_pb2, references_pb2
from google.rpc import error_details_pb2

from hub.domain.identity import check_digit
from hub.domain.pseudonym import clear_paths
from hub.domain.quarantine import MEANINGS
from hub.journal.reader import Recorded
from hub.journal.vault import open_original
from hub.trust.keyring import open_keyring
from tests.clients import Province, add_feed, journal, of_feed, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import AT_S, journey, lost, name_card, question, registered

RECORDED = feed_service_pb2.EVENT_OUTCOME_RECORDED
QUARANTINED = feed_service_pb2.EVENT_OUTCOME_QUARANTINED
_numbers = itertools.count(1)

# What no answer, row, log or error may show. The ID numbers are of the unassigned counties 500199 and 510199.
CARD_NO, NAME, MOBILE = "A98765432", "测试甲乙丙", "13912345678"
ID_NO, WRONG_ID_NO = "500199198503120015", "500199198503120016"
SECRETS = (CARD_NO, ID_NO, WRONG_ID_NO, NAME, MOBILE)


@pytest.fixture
def feed(shared_hub: RunningHub) -> str:
    """A feed of Chongqing's for one test."""
    return add_feed(shared_hub, CHONGQING, f"cq.quarantine-{next(_numbers)}")


# Bad events, each with what it breaks. Names of functions are the rules.


def no_kind() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.ClearField("transit_journey_completed")
    return event


def a_kind_of_a_later_release() -> event_pb2.Event:
    # Field 999 of the oneof, a message of no bytes.
    return event_pb2.Event.FromString(no_kind().SerializeToString() + b"\xba\x3e\x00")


def no_instant() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.ClearField("occurred_at")
    return event


def an_instant_before_the_first_card() -> event_pb2.Event:
    # 1999-11-30 in +08:00; the first card was issued in December 1999.
    return journey(CARD_NO, at_s=943_891_200)


def an_instant_two_days_ahead() -> event_pb2.Event:
    return journey(CARD_NO, at_s=int(time.time()) + 2 * 86_400)


def an_unknown_service_region() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.service_region = "519999"
    return event


def an_unknown_issuer_region() -> event_pb2.Event:
    event = registered(CARD_NO)
    event.issuer_region = "509999"
    return event


def a_region_that_did_not_exist_yet() -> event_pb2.Event:
    # 500157 两江新区 began on 2025-11-06; the journey is of September.
    event = journey(CARD_NO)
    event.service_region = "500157"
    return event


def a_region_of_five_digits() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.service_region = "51010"
    return event


def an_unknown_scenario() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.scenario = "TRA.ROCKET"
    return event


def the_thirtieth_of_february_as_business_day() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.business_date = "2025-02-30"
    return event


def the_thirty_first_of_june_as_day_of_birth() -> event_pb2.Event:
    event = registered(CARD_NO)
    event.card_registered.birth_date = "1985-06-31"
    return event


def a_date_with_slashes() -> event_pb2.Event:
    event = registered(CARD_NO)
    event.card_registered.expires_on = "2033/06/01"
    return event


def a_wrong_check_digit() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, WRONG_ID_NO
    return event


def a_card_number_of_eight_characters() -> event_pb2.Event:
    return journey("A1234567")


def a_transit_number_that_is_none() -> event_pb2.Event:
    event = journey(CARD_NO)
    alias = event.card_aliases.add(issuing_province="50", clear="9104870005619999999")
    alias.kind = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO
    return event


def a_mobile_that_is_none() -> event_pb2.Event:
    event = applied()
    event.card_applied.mobile.clear = "12345"
    return event


def a_key_of_the_hubs_in_place_of_a_card_number() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.card.key = bytes(32)
    return event


def a_key_of_the_hubs_in_place_of_an_account() -> event_pb2.Event:
    event = opened_account(CARD_NO, "6217000010000000003")
    event.bank_account_opened.account.key = bytes(32)
    return event


def an_unspecified_status() -> event_pb2.Event:
    event = registered(CARD_NO)
    event.card_registered.status = card_lifecycle_pb2.SOCIAL_STATUS_UNSPECIFIED
    return event


def an_unspecified_identifier_kind() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.card.kind = references_pb2.CARD_IDENTIFIER_KIND_UNSPECIFIED
    return event


def a_medium_that_is_none() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.medium = 99  # type: ignore[assignment]
    return event


def a_third_province() -> event_pb2.Event:
    return journey(CARD_NO, province="22")


def a_lifecycle_fact_of_no_card() -> event_pb2.Event:
    event = lost(CARD_NO)
    event.ClearField("card")
    return event


def a_use_by_nobody() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.ClearField("card")
    return event


def a_use_without_its_tap() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.transit_journey_completed.ClearField("tap")
    return event


def a_decision_of_the_hubs() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.decision_made.request_id, event.decision_made.outcome = "forged", 1
    event.decision_made.rules_digest = event.decision_made.request_digest = bytes(32)
    return event


def a_block_only_the_hub_lifts() -> event_pb2.Event:
    event = lost(CARD_NO)
    event.provisional_block_lifted.request.feed, event.provisional_block_lifted.request.sequence = "cq.card-center", 1
    event.provisional_block_lifted.cause_code = "WITHDRAWN"
    return event


def an_issuers_fact_about_the_other_sides_card() -> event_pb2.Event:
    return registered(CARD_NO, province="51")


def a_refusal_of_a_loss_request_by_the_side_that_sent_it() -> event_pb2.Event:
    event = lost(CARD_NO, province="51")
    event.loss_request_refused.request.feed, event.loss_request_refused.request.sequence = "cq.card-center", 1
    event.loss_request_refused.reason_code = "NOT_HOLDER"
    return event


def a_correction_of_anothers_feed() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.corrects.feed, event.corrects.sequence = "sc.usage", 1
    return event


def a_reversal_in_no_feed() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.reverses.feed, event.reverses.sequence = "cq.no-such-feed", 1
    return event


def a_correction_of_number_zero() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.corrects.feed, event.corrects.sequence = "cq.card-center", 0
    return event


def a_correction_of_a_number_that_no_feed_reaches() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.corrects.feed, event.corrects.sequence = "cq.card-center", 2**63
    return event


def a_reversal_of_the_last_number_of_64_bits() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.reverses.feed, event.reverses.sequence = "cq.card-center", 2**64 - 1
    return event


def a_purse_counter_beyond_two_bytes() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.transit_journey_completed.tap.purse_counter = 70_000
    return event


def a_fare_above_the_full_one() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.transit_journey_completed.fare_paid_fen = 401
    return event


def negative_nanoseconds() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.occurred_at.nanos = -5
    return event


def milliseconds_in_the_seconds_of_the_event() -> event_pb2.Event:
    return journey(CARD_NO, at_s=AT_S * 1_000)


def milliseconds_in_the_seconds_of_an_end() -> event_pb2.Event:
    event = lost(CARD_NO)
    event.temporary_loss_reported.effective_until.seconds = (AT_S + 7 * 86_400) * 1_000
    return event


def more_nanoseconds_than_a_second_has() -> event_pb2.Event:
    event = registered(CARD_NO)
    event.card_registered.status_until.seconds, event.card_registered.status_until.nanos = AT_S, 1_000_000_000
    return event


def a_text_that_turns_around() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.venue_code = "\u202e0001"
    return event


def a_name_with_a_control_character() -> event_pb2.Event:
    event = applied()
    event.card_applied.applicant_name.clear = "测试\x85甲"
    return event


def a_birth_date_after_the_event() -> event_pb2.Event:
    # The event is of 2025-09-01 in +08:00.
    event = registered(CARD_NO)
    event.card_registered.birth_date = "2025-09-02"
    return event


def a_birth_date_that_the_holders_number_contradicts() -> event_pb2.Event:
    event = registered(CARD_NO)
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, ID_NO
    event.card_registered.birth_date = "1985-03-21"
    return event


def a_holder_born_after_the_event() -> event_pb2.Event:
    event = journey(CARD_NO)
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, number_of("500199", "20250902")
    return event


def everything_at_once() -> event_pb2.Event:
    """Faults of shape, of meaning and of an identifier."""
    event = lost("A1234567")
    event.card_cancelled.SetInParent()
    event.service_region, event.scenario, event.venue_code = "999999", "NOPE", "\x07"
    return event


def number_of(county: str, born: str) -> str:
    """An ID number with its check digit."""
    first = f"{county}{born}001"
    return first + check_digit(first)


def an_alias_of_another_provinces_card() -> event_pb2.Event:
    event = registered(CARD_NO)
    alias = event.card_aliases.add(issuing_province="51", clear="510199D15600000500112233445566AA")
    alias.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    return event


def an_activation_that_cancels_another_provinces_card() -> event_pb2.Event:
    event = lost(CARD_NO)
    event.social_function_activated.channel = card_lifecycle_pb2.REPORT_CHANNEL_WINDOW
    name_card(event.social_function_activated.supersedes, "S00000123", "51")
    return event


def opened_account(card_no: str, account: str, province: str = "50") -> event_pb2.Event:
    event = lost(card_no, province)
    event.bank_account_opened.bank_code, event.bank_account_opened.account.clear = "102", account
    return event


def applied() -> event_pb2.Event:
    """An application with everything that names a person; good as it is."""
    event = lost(CARD_NO)
    name_card(event.card, CARD_NO, "50")
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, ID_NO
    event.card_applied.generation, event.card_applied.card_kind, event.card_applied.birth_date = 3, 1, "1985-03-12"
    event.card_applied.applicant_name.clear, event.card_applied.mobile.clear = NAME, MOBILE
    return event


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad event and (declared kind, [(field path, rule)]) of what takes its number."""

    event: event_pb2.Event
    kind: str
    violations: list[tuple[str, str]]


J, R, L = "transit_journey_completed", "card_registered", "temporary_loss_reported"
BAD = {
    make.__name__: Bad(make(), kind, list(violations))
    for make, kind, *violations in (
        (no_kind, "", ("kind", "unknown_kind")),
        (a_kind_of_a_later_release, "", ("kind", "unknown_kind")),
        (no_instant, J, ("occurred_at", "required")),
        (an_instant_before_the_first_card, J, ("occurred_at", "too_early")),
        (an_instant_two_days_ahead, J, ("occurred_at", "in_the_future")),
        (an_unknown_service_region, J, ("service_region", "unknown_region")),
        (an_unknown_issuer_region, R, ("issuer_region", "unknown_region")),
        (a_region_that_did_not_exist_yet, J, ("service_region", "unknown_region")),
        (a_region_of_five_digits, J, ("service_region", "string.pattern")),
        (an_unknown_scenario, J, ("scenario", "unknown_scenario")),
        (the_thirtieth_of_february_as_business_day, J, ("business_date", "impossible_date")),
        (the_thirty_first_of_june_as_day_of_birth, R, (f"{R}.birth_date", "impossible_date")),
        (a_date_with_slashes, R, (f"{R}.expires_on", "string.pattern")),
        (a_wrong_check_digit, J, ("holder.clear", "check_digit")),
        (a_card_number_of_eight_characters, J, ("card.clear", "length")),
        (a_transit_number_that_is_none, J, ("card_aliases.clear", "prefix")),
        (a_mobile_that_is_none, "card_applied", ("card_applied.mobile.clear", "length")),
        (a_key_of_the_hubs_in_place_of_a_card_number, J, ("card.key", "clear_only")),
        (a_key_of_the_hubs_in_place_of_an_account, "bank_account_opened",
         ("bank_account_opened.account.key", "clear_only")),
        (an_unspecified_status, R, (f"{R}.status", "enum.not_in")),
        (an_unspecified_identifier_kind, J, ("card.kind", "enum.not_in")),
        (a_medium_that_is_none, J, ("medium", "enum.defined_only")),
        (a_third_province, J, ("card.issuing_province", "string.in")),
        (a_lifecycle_fact_of_no_card, L, ("card", "required")),
        (a_use_by_nobody, J, ("card", "card_or_holder_required")),
        (a_use_without_its_tap, J, (f"{J}.tap", "required")),
        (a_decision_of_the_hubs, "decision_made", ("decision_made", "hub_only")),
        (a_block_only_the_hub_lifts, "provisional_block_lifted", ("provisional_block_lifted", "hub_only")),
        (an_issuers_fact_about_the_other_sides_card, R, (R, "issuer_only")),
        (a_refusal_of_a_loss_request_by_the_side_that_sent_it, "loss_request_refused",
         ("loss_request_refused", "issuer_only")),
        (a_correction_of_anothers_feed, J, ("corrects.feed", "not_your_feed")),
        (a_reversal_in_no_feed, J, ("reverses.feed", "not_your_feed")),
        (a_correction_of_number_zero, J, ("corrects.sequence", "uint64.gte_lte")),
        (a_correction_of_a_number_that_no_feed_reaches, J, ("corrects.sequence", "uint64.gte_lte")),
        (a_reversal_of_the_last_number_of_64_bits, J, ("reverses.sequence", "uint64.gte_lte")),
        (a_purse_counter_beyond_two_bytes, J, (f"{J}.tap.purse_counter", "uint32.lte")),
        (a_fare_above_the_full_one, J, (f"{J}.fare_full_fen", "money_sum")),
        (negative_nanoseconds, J, ("occurred_at", "impossible_instant")),
        (milliseconds_in_the_seconds_of_the_event, J, ("occurred_at", "impossible_instant")),
        (milliseconds_in_the_seconds_of_an_end, L, (f"{L}.effective_until", "impossible_instant")),
        (more_nanoseconds_than_a_second_has, R, (f"{R}.status_until", "impossible_instant")),
        (a_text_that_turns_around, J, ("venue_code", "control_character")),
        (a_name_with_a_control_character, "card_applied", ("card_applied.applicant_name.clear", "control_character")),
        (a_birth_date_after_the_event, R, (f"{R}.birth_date", "born_later")),
        (a_birth_date_that_the_holders_number_contradicts, R, (f"{R}.birth_date", "contradicts_number")),
        (a_holder_born_after_the_event, J, ("holder.clear", "born_later")),
        (everything_at_once, "card_cancelled", ("venue_code", "control_character"), ("card_cancelled.reason", "enum.not_in"),
         ("service_region", "unknown_region"), ("scenario", "unknown_scenario"), ("card.clear", "length")),
        (an_alias_of_another_provinces_card, R, ("card_aliases.issuing_province", "other_province")),
        (an_activation_that_cancels_another_provinces_card, "social_function_activated",
         ("social_function_activated.supersedes.issuing_province", "other_province")),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Appended:
    """One batch: a good event, every bad one in the order of BAD, a good event."""

    feed: str
    answer: feed_service_pb2.AppendEventsResponse
    recorded: list[Recorded]


@pytest.fixture(scope="module")
def appended(shared_hub: RunningHub, chongqing: Province) -> Appended:
    feed = add_feed(shared_hub, CHONGQING, "cq.every-bad-event")
    events = [registered(CARD_NO), *(bad.event for bad in BAD.values()), lost(CARD_NO)]
    answer = chongqing.append(feed, 1, *events)
    return Appended(feed, answer, of_feed(shared_hub.dsn, feed))


def sequence(rule: str) -> int:
    return list(BAD).index(rule) + 2


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_event_is_recorded_as_quarantined_at_its_number(rule: str, appended: Appended) -> None:
    recorded = appended.recorded[sequence(rule) - 1]
    assert (recorded.sequence, recorded.kind) == (sequence(rule), "event_quarantined")


@pytest.mark.parametrize("rule", BAD)
def test_what_took_its_number_tells_declared_kind_paths_and_rules(rule: str, appended: Appended) -> None:
    quarantined = appended.recorded[sequence(rule) - 1].event.event_quarantined
    assert quarantined.declared_kind == BAD[rule].kind
    assert [(v.field_path, v.rule_id) for v in quarantined.violations] == BAD[rule].violations


@pytest.mark.parametrize("rule", BAD)
def test_the_answer_lists_it_with_paths_and_rules(rule: str, appended: Appended) -> None:
    notices = {notice.sequence: notice.violations for notice in appended.answer.quarantined}
    assert [(v.field_path, v.rule_id) for v in notices[sequence(rule)]] == BAD[rule].violations


@pytest.mark.parametrize("rule", BAD)
def test_its_original_opens_as_it_was_sent(rule: str, appended: Appended, shared_hub: RunningHub) -> None:
    keyring = open_keyring(shared_hub.data_dir / "keys")
    with psycopg.connect(shared_hub.dsn) as connection:
        stream_id = appended.recorded[0].stream_id
        original = open_original(connection, keyring, stream_id, sequence(rule))
    assert original == BAD[rule].event.SerializeToString(deterministic=True)


def test_the_neighbours_of_bad_events_are_recorded(appended: Appended) -> None:
    assert list(appended.answer.outcomes) == [RECORDED, *[QUARANTINED] * len(BAD), RECORDED]


def test_good_events_leave_no_original(appended: Appended, shared_hub: RunningHub) -> None:
    with psycopg.connect(shared_hub.dsn) as connection:
        rows = connection.execute(
            "SELECT sequence FROM vault.original WHERE stream_id = %s ORDER BY sequence",
            (appended.recorded[0].stream_id,)).fetchall()  # fmt: skip
    assert [row[0] for row in rows] == [sequence(rule) for rule in BAD]


def test_the_feed_goes_on_after_a_bad_event(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, an_unknown_scenario())
    assert list(chongqing.append(feed, 2, journey(CARD_NO)).outcomes) == [RECORDED]


def test_a_bad_event_in_a_stream_is_answered_as_taken(chongqing: Province, feed: str) -> None:
    batch = feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=1, events=[an_unknown_scenario()])
    answer = next(chongqing.feeds.StreamEvents(iter([batch]), timeout=10))
    assert list(answer.appended.outcomes) == [QUARANTINED]


def test_every_rule_an_event_breaks_is_listed(chongqing: Province, feed: str) -> None:
    event = an_unknown_scenario()
    event.service_region, event.business_date = "519999", "2025-02-30"
    notice = chongqing.append(feed, 1, event).quarantined[0]
    assert [v.field_path for v in notice.violations] == ["business_date", "service_region", "scenario"]


def test_an_event_that_both_corrects_and_reverses_is_bad(chongqing: Province, feed: str) -> None:
    event = journey(CARD_NO)
    event.corrects.feed, event.corrects.sequence = feed, 1
    event.reverses.feed, event.reverses.sequence = feed, 1
    chongqing.append(feed, 1, journey(CARD_NO))
    notice = chongqing.append(feed, 2, event).quarantined[0]
    assert [(v.field_path, v.rule_id) for v in notice.violations] == [("corrects", "corrects_and_reverses")]


# A bad event after good ones of the same kind, card, place and day


def locked(card_no: str, province: str) -> event_pb2.Event:
    event = lost(card_no, province)
    event.app_locked.reason_code = "RISK"
    return event


def activated_in_place_of(card_no: str, province: str) -> event_pb2.Event:
    event = lost("A12345678")
    name_card(event.social_function_activated.supersedes, card_no, province)
    return event


@pytest.fixture(scope="module")
def busy_feed(shared_hub: RunningHub, chongqing: Province) -> tuple[str, Iterator[int]]:
    """One feed for all rules, in which good events came before, and its next numbers."""
    feed = add_feed(shared_hub, CHONGQING, "cq.quarantine-busy")
    assert list(chongqing.append(feed, 1, *GOOD, *GOOD).outcomes) == [RECORDED] * 2 * len(GOOD)
    return feed, itertools.count(2 * len(GOOD) + 1)


GOOD = [journey(CARD_NO), registered(CARD_NO), lost(CARD_NO), applied(), activated_in_place_of("A00000001", "50")]


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_event_is_quarantined_even_after_good_ones_like_it(
    rule: str, chongqing: Province, busy_feed: tuple[str, Iterator[int]]
) -> None:
    feed, numbers = busy_feed
    events = [*GOOD, BAD[rule].event]
    first, *_ = [next(numbers) for _ in events]
    assert list(chongqing.append(feed, first, *events).outcomes) == [RECORDED] * len(GOOD) + [QUARANTINED]


def test_an_issuers_fact_is_issuer_only_even_after_one_of_its_own(
    chongqing: Province, sichuan: Province, shared_hub: RunningHub, feed: str
) -> None:
    sichuan.append(add_feed(shared_hub, SICHUAN, "sc.locks"), 1, locked("S00000123", "51"))
    mine, theirs = locked("A12345678", "50"), locked("S00000123", "51")
    appended = chongqing.append(feed, 1, mine, mine, theirs)
    assert list(appended.outcomes) == [RECORDED, RECORDED, QUARANTINED]


def test_no_card_of_the_other_province_is_cancelled_even_after_one_of_ones_own(
    chongqing: Province, sichuan: Province, shared_hub: RunningHub, feed: str
) -> None:
    sichuan.append(add_feed(shared_hub, SICHUAN, "sc.cards"), 1, registered("S00000124", "51"))
    good, bad = activated_in_place_of("A00000001", "50"), activated_in_place_of("S00000124", "51")
    assert list(chongqing.append(feed, 1, good, good, bad).outcomes) == [RECORDED, RECORDED, QUARANTINED]


def test_an_account_is_a_key_in_the_first_event_and_in_the_next(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, opened_account("A12345678", "6217000010000000003"))
    chongqing.append(feed, 2, opened_account("A12345678", "6217000010000000011"))
    assert [path for event in of_feed(shared_hub.dsn, feed) for path in clear_paths(event.event)] == []


def test_a_wrong_account_is_bad_after_a_good_one(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, opened_account("A12345678", "6217000010000000003"))
    appended = chongqing.append(feed, 2, opened_account("A12345678", "6217000010000000004"))
    assert list(appended.outcomes) == [QUARANTINED]


def test_a_region_begins_at_local_midnight_even_after_a_good_event_of_that_day(chongqing: Province, feed: str) -> None:
    # 500157 两江新区 began on 2025-11-06 in +08:00, 1762358400; a minute later is the same day in UTC.
    after, before = journey("A12345678", at_s=1_762_358_460), journey("A12345678", at_s=1_762_358_399)
    after.service_region = before.service_region = "500157"
    chongqing.append(feed, 1, registered("A12345678"))
    assert list(chongqing.append(feed, 2, after, after, before).outcomes) == [RECORDED, RECORDED, QUARANTINED]


# The edge of what is good


def test_a_clock_ahead_by_less_than_a_day_is_good(chongqing: Province, feed: str) -> None:
    appended = chongqing.append(feed, 1, journey(CARD_NO, at_s=int(time.time()) + 86_000))
    assert list(appended.outcomes) == [RECORDED]


def test_a_region_that_ended_is_good_for_a_year_since_sources_change_over_late(chongqing: Province, feed: str) -> None:
    # 500112 渝北区 ended on 2025-11-06; the journey is of 2025-11-10.
    event = journey(CARD_NO, at_s=1_762_740_000)
    event.service_region = "500112"
    assert list(chongqing.append(feed, 1, event).outcomes) == [RECORDED]


def test_a_card_keeps_the_region_it_was_issued_in(chongqing: Province, feed: str) -> None:
    # 500222 綦江县 ended in 2011.
    event = registered(CARD_NO)
    event.issuer_region = "500222"
    assert list(chongqing.append(feed, 1, event).outcomes) == [RECORDED]


def test_a_temporary_loss_may_be_told_by_the_other_side(chongqing: Province, feed: str) -> None:
    assert list(chongqing.append(feed, 1, lost("S00000123", province="51")).outcomes) == [RECORDED]


def test_the_issuer_may_refuse_a_loss_request(chongqing: Province, feed: str) -> None:
    event = a_refusal_of_a_loss_request_by_the_side_that_sent_it()
    event.card.issuing_province = "50"
    assert list(chongqing.append(feed, 1, event).outcomes) == [RECORDED]


def test_a_correction_within_ones_own_feeds_is_good(chongqing: Province, feed: str) -> None:
    chongqing.append(feed, 1, journey(CARD_NO))
    event = journey(CARD_NO, fare_fen=100)
    event.corrects.feed, event.corrects.sequence = feed, 1
    assert list(chongqing.append(feed, 2, event).outcomes) == [RECORDED]


def test_an_application_with_name_and_mobile_is_good(chongqing: Province, feed: str) -> None:
    assert list(chongqing.append(feed, 1, applied()).outcomes) == [RECORDED]


def test_a_lower_case_check_letter_is_the_same_number(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    upper, lower = journey(CARD_NO), journey(CARD_NO)
    upper.holder.id_type = lower.holder.id_type = references_pb2.ID_TYPE_RESIDENT_ID
    upper.holder.clear, lower.holder.clear = "51019919900307002X", "51019919900307002x"
    chongqing.append(feed, 1, upper, lower)
    first, second = of_feed(shared_hub.dsn, feed)
    assert first.event.holder.key == second.event.holder.key


# No identifier leaves the vault


@pytest.fixture(scope="module")
def told(shared_hub: RunningHub, chongqing: Province, sichuan: Province, appended: Appended) -> list[str]:
    """Everything the hub answered to events and questions that name a person, as text."""
    feed = add_feed(shared_hub, CHONGQING, "cq.every-answer")
    mine = chongqing.append(feed, 1, registered(CARD_NO), applied(), a_wrong_check_digit())
    bad_card = question("secret-1", f"{NAME}{ID_NO}", "50")
    refusals = [
        refused(lambda: chongqing.append(feed, 1, applied())),
        refused(lambda: chongqing.append(ID_NO, 1, applied())),
        refused(lambda: sichuan.cards.CheckAcceptance(bad_card)),
    ]
    answer = sichuan.cards.CheckAcceptance(question("secret-2", CARD_NO, min_position=mine.positions[-1]), timeout=10)
    answers = [str(appended.answer), str(mine), str(answer)]
    return [*answers, *(f"{refusal.text} {refusal.status}" for refusal in refusals)]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_answer_and_no_error_tells_an_identifier(secret: str, told: list[str]) -> None:
    assert [text for text in told if secret in text] == []


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.usefixtures("told")
def test_no_row_of_the_journal_holds_an_identifier(secret: str, shared_hub: RunningHub) -> None:
    assert [event.position for event in journal(shared_hub.dsn) if secret.encode() in event.data] == []


@pytest.mark.usefixtures("told")
def test_no_stored_message_has_a_clear_arm(shared_hub: RunningHub) -> None:
    assert [path for event in journal(shared_hub.dsn) for path in clear_paths(event.event)] == []


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.usefixtures("told")
def test_no_log_of_the_hub_tells_an_identifier(secret: str, shared_hub: RunningHub) -> None:
    logs = [process.log.read_text() for process in shared_hub.processes]
    assert [log for log in logs if secret in log] == []


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.usefixtures("told")
def test_no_log_of_the_database_tells_an_identifier(secret: str, shared_hub: RunningHub) -> None:
    with psycopg.connect(shared_hub.dsn) as connection:
        row = connection.execute("SELECT coalesce(pg_read_file(pg_current_logfile()), '')").fetchone()
    assert row is not None
    assert secret not in row[0]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.usefixtures("told")
def test_the_vault_holds_no_identifier_in_clear(secret: str, shared_hub: RunningHub) -> None:
    with psycopg.connect(shared_hub.dsn) as connection:
        rows = connection.execute("SELECT sealed FROM vault.identifier UNION ALL SELECT sealed FROM vault.original").fetchall()
    assert [row for row in rows if secret.encode() in bytes(row[0])] == []


# A value that passes every rule and that the database does not store all the same: here a constraint of the test's own refuses it.


def test_a_value_that_the_database_cannot_store_is_quarantined_and_takes_its_number(
    shared_hub: RunningHub, chongqing: Province, feed: str
) -> None:
    poison = journey(CARD_NO)
    poison.corrects.feed, poison.corrects.sequence = feed, 424_242
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE journal.correction ADD CONSTRAINT poisoned CHECK (sequence <> 424242)")
        answer = chongqing.append(feed, 1, journey(CARD_NO), journey(CARD_NO), poison, journey(CARD_NO), journey(CARD_NO))
        connection.execute("ALTER TABLE journal.correction DROP CONSTRAINT poisoned")
    assert list(answer.outcomes) == [RECORDED, RECORDED, QUARANTINED, RECORDED, RECORDED]
    [notice] = answer.quarantined
    assert (notice.sequence, [(v.field_path, v.rule_id) for v in notice.violations]) == (3, [("", "unstorable")])
    assert [(event.sequence, event.kind) for event in of_feed(shared_hub.dsn, feed)] == [
        (1, "transit_journey_completed"),
        (2, "transit_journey_completed"),
        (3, "event_quarantined"),
        (4, "transit_journey_completed"),
        (5, "transit_journey_completed"),
    ]


def test_a_resend_of_what_the_database_could_not_store_is_the_same_batch(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    poison = journey(CARD_NO)
    poison.corrects.feed, poison.corrects.sequence = feed, 424_242
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE journal.correction ADD CONSTRAINT poisoned CHECK (sequence <> 424242)")
        chongqing.append(feed, 1, poison)
        connection.execute("ALTER TABLE journal.correction DROP CONSTRAINT poisoned")
    again = chongqing.append(feed, 1, poison)
    assert list(again.outcomes) == [feed_service_pb2.EVENT_OUTCOME_DUPLICATE]
    assert [(v.field_path, v.rule_id) for v in again.quarantined[0].violations] == [("", "unstorable")]


# Explained in words, and explained before anything is sent for good


def test_an_answer_says_what_is_wrong_in_words(chongqing: Province, feed: str) -> None:
    [notice] = chongqing.append(feed, 1, BAD["a_wrong_check_digit"].event).quarantined
    told = [(v.field_path, v.rule_id, v.text_zh, v.text_en) for v in notice.violations]
    assert told == [(
        "holder.clear", "check_digit", "校验码不对：证号按 GB 11643，账号按 Luhn 计算。",
        "Its check digit is wrong: by GB 11643 of an ID number, by Luhn of an account.")]  # fmt: skip


def test_a_resend_is_told_what_is_wrong_as_the_first_time(chongqing: Province, feed: str) -> None:
    first = chongqing.append(feed, 1, BAD["everything_at_once"].event)
    again = chongqing.append(feed, 1, BAD["everything_at_once"].event)
    assert list(again.outcomes) == [feed_service_pb2.EVENT_OUTCOME_DUPLICATE]
    assert again.quarantined == first.quarantined


def test_the_journal_keeps_rules_and_no_words(appended: Appended) -> None:
    kept = [v for event in appended.recorded for v in event.event.event_quarantined.violations]
    assert not [v for v in kept if v.text_zh or v.text_en]


def test_every_rule_that_an_event_may_break_has_words_of_its_own(appended: Appended) -> None:
    rules = {v.rule_id for notice in appended.answer.quarantined for v in notice.violations}
    assert rules - MEANINGS.keys() == set()


def test_validating_says_of_every_event_what_appending_would(chongqing: Province, appended: Appended) -> None:
    events = [registered(CARD_NO), *(bad.event for bad in BAD.values()), lost(CARD_NO)]
    answer = chongqing.feeds.ValidateEvents(feed_service_pb2.ValidateEventsRequest(feed=appended.feed, events=events), timeout=10)
    told = {fault.index + 1: list(fault.violations) for fault in answer.faults}
    assert told == {notice.sequence: list(notice.violations) for notice in appended.answer.quarantined}


def test_validating_takes_no_number_and_writes_nothing(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    written = """SELECT position, (SELECT count(*) FROM vault.identifier), (SELECT count(*) FROM vault.original) FROM journal.head"""
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        before = connection.execute(written).fetchall()
        request = feed_service_pb2.ValidateEventsRequest(feed=feed, events=[journey("V31415926"), BAD["no_kind"].event])
        chongqing.feeds.ValidateEvents(request, timeout=10)
        assert connection.execute(written).fetchall() == before
    assert chongqing.next_sequence(feed) == 1


def test_events_are_validated_for_a_feed_of_the_callers_own(sichuan: Province, feed: str) -> None:
    request = feed_service_pb2.ValidateEventsRequest(feed=feed, events=[journey(CARD_NO)])
    assert refused(lambda: sichuan.feeds.ValidateEvents(request, timeout=10)).reason == "NOT_FEED_OWNER"


def test_no_events_are_no_batch_to_validate_either(chongqing: Province, feed: str) -> None:
    request = feed_service_pb2.ValidateEventsRequest(feed=feed)
    assert refused(lambda: chongqing.feeds.ValidateEvents(request, timeout=10)).reason == "BATCH_EMPTY"


def test_a_request_that_breaks_a_rule_is_told_so_in_words(sichuan: Province) -> None:
    wrong = question("in-words", "A0000000!")
    [broken] = refused(lambda: sichuan.cards.CheckAcceptance(wrong, timeout=10)).details(error_details_pb2.BadRequest)[0].field_violations
    assert (broken.field, broken.reason) == ("card.clear", "charset")
    assert broken.description.startswith("It has characters that do not belong there: a card number has A-Z and 0-9")
    assert broken.localized_message.locale == "zh-CN"
    assert broken.localized_message.message.startswith("有不允许的字符：卡号为 A-Z 和 0-9")
