"""Journeys: the same whatever the order of the reports, and with the uses and money of the count of uses."""

from collections import defaultdict

from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.instants import DAY_US, MINUTE_US, timestamp
from hub.domain.netting import net
from hub.domain.reported import Reported
from hub.domain.tellings import keys_of, telling_of
from hub.domain.transit.counters import Counter, gaps_in, places_of
from hub.domain.transit.journeys import Journeys, journeys_at
from hub.domain.transit.rides import Told

AT_US = 1_756_690_000_000_000
LATER_US = AT_US + 30 * DAY_US
KINDS = ("transit_entry_recorded", "transit_exit_recorded", "transit_journey_completed")


def told(position: int, kind: str, counter: int, minute: int, fare_fen: int) -> Told:
    event = event_pb2.Event(service_region="500103", scenario="TRA.MET", occurred_at=timestamp(AT_US + minute * MINUTE_US))
    event.card.issuing_province, event.card.key = "50", b"k" * 32
    message = getattr(event, kind)
    message.tap.mode, message.tap.purse_counter, message.tap.psam = 2, counter, "P"
    message.tap.psam_sequence = counter
    if kind != KINDS[0]:
        message.fare_full_fen, message.fare_paid_fen = fare_fen, fare_fen
    at_us = AT_US + minute * MINUTE_US
    return Told(Reported(kind, event, at_us, position), telling_of(kind, event, position, at_us, at_us, (1, position)))


def no_policy(_: str, __: str, ___: int) -> str:
    return ""


REPORTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 4_000), st.sampled_from([200, 300])), min_size=1, max_size=14
)


def counted(one: Journeys) -> tuple[int, int]:
    return sum(each.is_counted for each in one.journeys), sum(each.fen for each in one.journeys if each.is_counted)


@given(REPORTS, st.randoms(use_true_random=False))
def test_journeys_are_the_same_in_any_order_and_count_as_the_count_of_uses(reports: list, random: object) -> None:  # type: ignore[type-arg]
    every = [told(position, *one) for position, one in enumerate(reports, 1)]
    shuffled = list(every)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = journeys_at(every, no_policy, LATER_US)
    assert journeys_at(shuffled, no_policy, LATER_US) == found
    by_key = defaultdict(list)
    for one in every:
        assert one.telling is not None
        by_key[keys_of(one.reported.kind, one.reported.event)].append(one.telling)
    uses = [each for tellings in by_key.values() for each in net(tellings).counted]
    assert counted(found) == (sum(each.uses for each in uses), sum(each.fen for each in uses))


@given(st.integers(0, 65_535), st.lists(st.integers(1, 3), min_size=1, max_size=12))
def test_what_is_missing_of_a_counter_is_what_was_left_out_also_where_it_wraps(first: int, steps: list[int]) -> None:
    counters, value = [Counter(AT_US, 1, first)], first
    for number, step in enumerate(steps, 2):
        value += step
        counters.append(Counter(AT_US + number * MINUTE_US, number, value % 65_536))
    places = places_of(counters)
    assert sum(gap.missing for gap in gaps_in(counters, places)) == sum(steps) - len(steps)
    assert max(place.epoch for place in places.values()) == 1 + value // 65_536 - first // 65_536
