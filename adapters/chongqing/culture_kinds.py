"""Libraries and venues by B1 call: readers, loans, entries, exits and bookings, on the person's card of either province.

The fields are this adapter's convention, in the words of the libraries and venues. The daily file has loans, returns and entries, too; it
has no room for a due day, a renewal, a booking or an exit.
"""

from collections.abc import Callable, Mapping
from typing import Final

from chuanyu.exchange.v1 import usage_culture_pb2 as culture
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.call_fields import Fields, choice, count, fen, is_yes, iso_date, need

TICKETS: Final = {
    "全价": culture.TICKET_TYPE_FULL,
    "半价": culture.TICKET_TYPE_HALF,
    "免票": culture.TICKET_TYPE_FREE,
    "年票": culture.TICKET_TYPE_ANNUAL,
}
CONCESSIONS: Final = {
    "无": culture.VISIT_CONCESSION_NONE,
    "老人": culture.VISIT_CONCESSION_ELDER,
    "残疾人": culture.VISIT_CONCESSION_DISABLED,
    "学生": culture.VISIT_CONCESSION_STUDENT,
    "军人": culture.VISIT_CONCESSION_SOLDIER,
    "儿童": culture.VISIT_CONCESSION_CHILD,
}
VENUES: Final = {"博物馆": "CUL.MUS", "景区": "TOU.GATE"}


def _registered(fields: Fields) -> list[Event]:
    registered = culture.LibraryReaderRegistered(branch_code=need(fields, "馆代码"))
    return [Event(library_reader_registered=registered, scenario="CUL.LIB.IN")]


def _lent(fields: Fields) -> list[Event]:
    lent = culture.LibraryItemBorrowed(
        branch_code=need(fields, "馆代码"),
        barcode=need(fields, "图书条码"),
        owner_branch=fields.get("所属馆", ""),
        due_on=iso_date(fields, "应还日期"),
    )
    return [Event(library_item_borrowed=lent, scenario="CUL.LIB.BRW")]


def _renewed(fields: Fields) -> list[Event]:
    renewed = culture.LibraryItemRenewed(
        branch_code=need(fields, "馆代码"), barcode=need(fields, "图书条码"), due_on=iso_date(fields, "应还日期")
    )
    return [Event(library_item_renewed=renewed, scenario="CUL.LIB.BRW")]


def _returned(fields: Fields) -> list[Event]:
    branch, owner = need(fields, "馆代码"), fields.get("所属馆", "")
    returned = culture.LibraryItemReturned(
        branch_code=branch,
        barcode=need(fields, "图书条码"),
        owner_branch=owner,
        cross_return=bool(owner) and owner != branch,
        fine_fen=fen(fields, "滞纳金"),
    )
    return [Event(library_item_returned=returned, scenario="CUL.LIB.RET")]


def _lost(fields: Fields) -> list[Event]:
    lost = culture.LibraryItemLost(
        branch_code=need(fields, "馆代码"),
        barcode=need(fields, "图书条码"),
        fine_fen=fen(fields, "赔偿金"),
        compensated=is_yes(fields, "已赔付"),
    )
    return [Event(library_item_lost=lost, scenario="CUL.LIB.BRW")]


def _entered(fields: Fields) -> list[Event]:
    entered = culture.VenueGateEntered(
        gate=need(fields, "闸机"),
        ticket_type=choice(fields, "票类型", TICKETS),
        concession=choice(fields, "优惠", CONCESSIONS, "无"),
        party_size=count(fields, "人数") or 1,
        booking_ref=fields.get("预约号", ""),
        fast_lane=is_yes(fields, "快速通道"),
        grade=fields.get("景区级别", ""),
    )
    return [_at_venue(Event(venue_gate_entered=entered), fields)]


def _left(fields: Fields) -> list[Event]:
    left = culture.VenueGateLeft(gate=need(fields, "闸机"), party_size=count(fields, "人数"), booking_ref=fields.get("预约号", ""))
    return [_at_venue(Event(venue_gate_left=left), fields)]


def _booked(fields: Fields) -> list[Event]:
    need(fields, "游览日期")
    booked = culture.VenueBookingMade(
        booking_ref=need(fields, "预约号"), visit_on=iso_date(fields, "游览日期"), party_size=count(fields, "人数") or 1
    )
    return [_at_venue(Event(venue_booking_made=booked), fields)]


def _booking_cancelled(fields: Fields) -> list[Event]:
    cancelled = culture.VenueBookingCancelled(booking_ref=need(fields, "预约号"), reason_code=fields.get("取消原因", ""))
    return [_at_venue(Event(venue_booking_cancelled=cancelled), fields)]


def _at_venue(event: Event, fields: Fields) -> Event:
    event.scenario, event.venue_code = choice(fields, "场馆类别", VENUES), need(fields, "场馆代码")
    return event


# What each operation builds, from the fields of its call.
CULTURE: Final[Mapping[str, Callable[[Fields], list[Event]]]] = {
    "读者注册": _registered,
    "图书借出": _lent,
    "图书续借": _renewed,
    "图书归还": _returned,
    "图书丢失": _lost,
    "入园": _entered,
    "离园": _left,
    "预约": _booked,
    "取消预约": _booking_cancelled,
}
