"""A load of people who become eligible and are paid: of each a report, and rows of batches that are sent and answered.

It is what grows most with the year that an indicator counts (K7): nearly all events are about somebody who is new. A few are reported to be
eligible after they were paid, some payments come back, and some rows name no card.
"""

import itertools
from collections.abc import Iterator

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.bench.filling import PORTION_EVENTS, Filling, Report
from hub.bench.setup import Ground
from hub.domain import reference
from hub.domain.identity import check_digit
from hub.domain.instants import DAY_US, SECOND_US, day_text, epoch_day

# Of each one report and two rows, of which each is two events.
ROWS, EVENTS_EACH = 2, 5
# People who become eligible together, over so many days before the last one.
LOT, OVER_DAYS, PROJECT = 400, 300, "NCDB"
# One in so many is reported late, one payment comes back, one row names no card.
LATE_IN, BACK_IN, NO_CARD_IN = 20, 12, 7
FEED_OF = {"50": "cq.card-center", "51": "sc.card-center"}
_DAY_S = DAY_US // SECOND_US


def fill_payees(place: Ground, payees: int, last_s: int, report: Report) -> None:
    """Appends the events of so many people, the last of whom are paid at an instant."""
    filling = Filling(place)
    events = _events(payees, last_s)
    for done in itertools.count(PORTION_EVENTS, PORTION_EVENTS):
        if not (portion := list(itertools.islice(events, PORTION_EVENTS))):
            break
        filling.append(portion)
        if done % 100_000 == 0:
            report(f"payees 领取人: {done:,} / {payees * EVENTS_EACH:,}")
    filling.close()


def _events(payees: int, last_s: int) -> Iterator[tuple[str, event_pb2.Event]]:
    regions = sorted(code for code in reference.load().regions if code[:2] in FEED_OF and code[4:] != "00")
    regions = [code for code in regions if reference.load().regions[code][-1].valid_to is None]
    for first in range(0, payees, LOT):
        numbers = range(first, min(first + LOT, payees))
        since_s = last_s - (OVER_DAYS - OVER_DAYS * first // payees + 60) * _DAY_S
        listed = {number: _listed(number, regions[number % len(regions)], since_s) for number in numbers}
        yield from (_fed(one) for number, one in listed.items() if number % LATE_IN)
        for row in range(ROWS):
            for kind in ("sent", "answered"):
                at_s = since_s + (20 + 30 * row) * _DAY_S + (kind == "answered") * 3_600
                yield from (_fed(_row(kind, first, number, row, listed[number].service_region, at_s)) for number in numbers)
        yield from (_fed(one) for number, one in listed.items() if not number % LATE_IN)


def _fed(event: event_pb2.Event) -> tuple[str, event_pb2.Event]:
    return FEED_OF[event.service_region[:2]], event


def _event(number: int, region: str, at_s: int, *, has_card: bool = True) -> event_pb2.Event:
    event = event_pb2.Event(service_region=region)
    event.occurred_at.seconds, event.source.system = at_s, "bench"
    day, place = divmod(number, 1_000)
    first17 = f"{region[:2]}0199{1950 + day // 336 % 50}{1 + day // 28 % 12:02d}{1 + day % 28:02d}{place:03d}"
    event.holder.id_type, event.holder.clear = references.ID_TYPE_RESIDENT_ID, first17 + check_digit(first17)
    if has_card:
        event.card.issuing_province, event.card.kind = region[:2], references.CARD_IDENTIFIER_KIND_CARD_NO
        event.card.clear = f"{'A' if region[:2] == '50' else 'S'}{number:08d}"
    return event


def _listed(number: int, region: str, at_s: int) -> event_pb2.Event:
    event = _event(number, region, at_s)
    event.payee_became_eligible.project_code = PROJECT
    event.payee_became_eligible.eligible_from = day_text(epoch_day(at_s * SECOND_US))
    return event


def _row(kind: str, lot: int, number: int, row: int, region: str, at_s: int) -> event_pb2.Event:
    event = _event(number, region, at_s, has_card=bool(number % NO_CARD_IN))
    event.scenario = "FND.PAY"
    name = "fund_row_sent" if kind == "sent" else "fund_row_returned" if (number + row) % BACK_IN == 0 else "fund_row_paid"
    said = getattr(event, name)
    said.batch_no, said.row_no, said.amount_fen, said.project_code = f"KPI-{lot}-{row}", number - lot + 1, 10_000, PROJECT
    if name == "fund_row_sent":
        said.attempt = 1
    else:
        said.bank_serial = f"{lot}-{number}-{row}"
    if name == "fund_row_returned":
        said.reason = fund.FUND_RETURN_REASON_CLOSED
    return event
