"""Libraries, museums, scenic spots and hotels.

gdm 馆代码 · tsm 图书码 · ssg 所属馆 · czlx 操作类型 (ZC 注册, JC 借出, XJ 续借, GH 归还, DS 丢失) · yhrq 应还日期
ypf 已赔付 · zjh 闸机号 · plx 票类型 · yhlx 优惠类型 · rs 人数 · yyh 预约号 · kstd 快速通道 · jb 景区级别
czlx 入园 RG（默认 default）, 离园 LG, 预约 YY, 取消 QX · ylrq 游览日期 · qxyy 取消原因
jddm 酒店代码 · rzrq 入住日期 · gadj 公安登记
"""

from chuanyu.exchange.v1 import usage_culture_pb2 as culture
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.fields import Fields

TICKETS = {
    "01": culture.TICKET_TYPE_FULL,
    "02": culture.TICKET_TYPE_HALF,
    "03": culture.TICKET_TYPE_FREE,
    "04": culture.TICKET_TYPE_ANNUAL,
}
CONCESSIONS = {
    "00": culture.VISIT_CONCESSION_NONE,
    "01": culture.VISIT_CONCESSION_STUDENT,
    "02": culture.VISIT_CONCESSION_DISABLED,
    "03": culture.VISIT_CONCESSION_ELDER,
    "04": culture.VISIT_CONCESSION_SOLDIER,
    "05": culture.VISIT_CONCESSION_CHILD,
}


def _library(native: Fields, extension: Fields) -> Event:
    build = extension.code("czlx", {"ZC": _registered, "JC": _borrowed, "XJ": _renewed, "GH": _returned, "DS": _lost}, None)
    if build is None:
        raise extension.fault("czlx")
    return build(native, extension)


def _registered(_native: Fields, extension: Fields) -> Event:
    return Event(library_reader_registered=culture.LibraryReaderRegistered(branch_code=extension.text("gdm")))


def _borrowed(_native: Fields, extension: Fields) -> Event:
    borrowed = culture.LibraryItemBorrowed(
        branch_code=extension.text("gdm"),
        barcode=extension.text("tsm"),
        owner_branch=extension.text("ssg"),
        due_on=extension.day("yhrq"),
    )
    return Event(library_item_borrowed=borrowed)


def _renewed(_native: Fields, extension: Fields) -> Event:
    renewed = culture.LibraryItemRenewed(branch_code=extension.text("gdm"), barcode=extension.text("tsm"), due_on=extension.day("yhrq"))
    return Event(library_item_renewed=renewed)


def _returned(native: Fields, extension: Fields) -> Event:
    branch, owner = extension.text("gdm"), extension.text("ssg")
    returned = culture.LibraryItemReturned(
        branch_code=branch,
        barcode=extension.text("tsm"),
        owner_branch=owner,
        cross_return=bool(owner) and owner != branch,
        fine_fen=native.fen("je"),
    )
    return Event(library_item_returned=returned)


def _lost(native: Fields, extension: Fields) -> Event:
    lost = culture.LibraryItemLost(
        branch_code=extension.text("gdm"), barcode=extension.text("tsm"), fine_fen=native.fen("je"), compensated=extension.flag("ypf")
    )
    return Event(library_item_lost=lost)


def _venue(native: Fields, extension: Fields) -> Event:
    """Returns an entry, unless `czlx` says otherwise: LG 离开, YY 预约, QX 取消预约."""
    build = extension.code("czlx", {"RG": _gate, "LG": _left, "YY": _booked, "QX": _booking_cancelled}, _gate)
    return build(native, extension)


def _left(_native: Fields, extension: Fields) -> Event:
    left = culture.VenueGateLeft(gate=extension.text("zjh"), party_size=extension.count("rs", 4), booking_ref=extension.text("yyh"))
    return Event(venue_gate_left=left)


def _booked(_native: Fields, extension: Fields) -> Event:
    booked = culture.VenueBookingMade(
        booking_ref=extension.text("yyh"), visit_on=extension.day("ylrq"), party_size=extension.count("rs", 4) or 1
    )
    return Event(venue_booking_made=booked)


def _booking_cancelled(_native: Fields, extension: Fields) -> Event:
    return Event(
        venue_booking_cancelled=culture.VenueBookingCancelled(booking_ref=extension.text("yyh"), reason_code=extension.text("qxyy"))
    )


def _gate(_native: Fields, extension: Fields) -> Event:
    entered = culture.VenueGateEntered(
        gate=extension.text("zjh"),
        ticket_type=extension.code("plx", TICKETS, culture.TICKET_TYPE_UNSPECIFIED),
        concession=extension.code("yhlx", CONCESSIONS, culture.VISIT_CONCESSION_NONE),
        party_size=extension.count("rs") or 1,
        booking_ref=extension.text("yyh"),
        fast_lane=extension.flag("kstd"),
        grade=extension.text("jb"),
    )
    return Event(venue_gate_entered=entered)


def _hotel(_native: Fields, extension: Fields) -> Event:
    accepted = culture.HotelCredentialAccepted(
        hotel_code=extension.text("jddm"),
        check_in_on=extension.day("rzrq"),
        police_registered=extension.flag("gadj"),
    )
    return Event(hotel_credential_accepted=accepted)


KINDS = {
    "CUL.LIB.IN": _library,
    "CUL.LIB.BRW": _library,
    "CUL.LIB.RET": _library,
    "CUL.MUS": _venue,
    "TOU.GATE": _venue,
    "TOU.HTL": _hotel,
}
WITH_AMOUNT = {"library_item_returned", "library_item_lost"}
