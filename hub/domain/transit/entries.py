"""Entries at gates as rules weigh them: the last ones of a card, of which the counter names the one before an exit."""

from collections.abc import Iterable

from chuanyu.exchange.v1 import event_pb2

from hub.domain.business_keys import PURSE_COUNTERS
from hub.domain.card_facts import Fact
from hub.domain.concessions import city_of
from hub.domain.instants import DAY_US
from hub.domain.netting_taps import CLOCK_TOLERANCE_US
from hub.domain.records.weighing import UNKNOWN, OnRecord

KIND = "transit_entry_recorded"
# A card is in one gate at a time; more are kept, since they may be reported late and out of order.
MOST = 8


def entry_fact(event: event_pb2.Event, occurred_us: int, position: int) -> Fact:
    """Returns what is kept of an entry: where it was, and the counter of the purse where the tap says it."""
    tap = event.transit_entry_recorded.tap
    counter = {"counter": tap.purse_counter} if tap.purse_counter or tap.psam else {}
    return Fact(occurred_us, position, KIND, {"at": event.service_region, **counter})


def entry_before(entries: Iterable[Fact], exit_counter: int, at_us: int) -> Fact | None:
    """Returns the entry whose counter is the one before an exit's, less than a day before; None where it was not reported."""
    wanted = (exit_counter - 1) % PURSE_COUNTERS
    found = [one for one in entries if one.detail.get("counter") == wanted and at_us - one.occurred_us < DAY_US]
    return found[-1] if found else None


def says(entry: Fact, region: str, at_us: int, longest_us: int, claimed_us: int | None) -> OnRecord:
    """Returns whether an entry is the one of an exit: in its city, within the longest stay, at the time that the gate names, if any."""
    stay_us = at_us - entry.occurred_us
    is_in_time = stay_us >= -CLOCK_TOLERANCE_US and (not longest_us or stay_us <= longest_us)
    is_same_time = claimed_us is None or abs(claimed_us - entry.occurred_us) <= CLOCK_TOLERANCE_US
    return OnRecord(is_in_time and is_same_time and city_of(entry.detail["at"]) == city_of(region), entry.position)


def entry_at(entries: Iterable[Fact], region: str, at_us: int, longest_us: int, claimed_us: int | None) -> OnRecord:
    """Returns what entries say of an exit without a counter: yes by one at the time named; another may be of an earlier ride."""
    found = [one for one in entries if claimed_us is not None and says(one, region, at_us, longest_us, claimed_us).says]
    return OnRecord(True, found[-1].position) if found else UNKNOWN
