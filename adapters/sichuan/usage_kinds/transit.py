"""Bus and metro (交通联合).

    czlx 操作类型 (JZ 进站, CZ 出站, WC 完整行程, BQ 不完整行程) · yydw 运营单位 · jtfs 交通方式 · xl 线路 · zd 站点
    jzxl/jzzd/jzsj 进站线路, 站点, 时间 · czsj 出站时间 · ysje 应收金额 · yhlx 优惠类型 · yhcs 优惠次数
    jyxh 钱包交易序号 · psam · psamxh · tac · ye 余额 · qsbz 缺少 (1 出站, 0 进站)

`je` is the fare paid. The purse counter orders taps; terminals' clocks do not.
"""

from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.fields import Fields

MODES = {
    "01": transit.TRANSIT_MODE_BUS,
    "02": transit.TRANSIT_MODE_METRO,
    "03": transit.TRANSIT_MODE_FERRY,
    "04": transit.TRANSIT_MODE_CABLEWAY,
    "05": transit.TRANSIT_MODE_TRAM,
}
DEFAULT_MODES = {"TRA.BUS": transit.TRANSIT_MODE_BUS, "TRA.MET": transit.TRANSIT_MODE_METRO}
CONCESSIONS = {
    "00": transit.CONCESSION_TYPE_NONE,
    "01": transit.CONCESSION_TYPE_STUDENT,
    "02": transit.CONCESSION_TYPE_DISABLED,
    "03": transit.CONCESSION_TYPE_ELDER,
    "04": transit.CONCESSION_TYPE_SOLDIER,
}


def _trip(native: Fields, extension: Fields) -> Event:
    build = extension.code("czlx", {"JZ": _entry, "CZ": _exit, "WC": _journey, "BQ": _incomplete}, _journey)
    return build(native, extension)


def _tap(native: Fields, extension: Fields) -> transit.TransitTap:
    default = DEFAULT_MODES.get(native.text("yydm"), transit.TRANSIT_MODE_UNSPECIFIED)
    return transit.TransitTap(
        operator=extension.text("yydw"),
        mode=extension.code("jtfs", MODES, default),
        line=extension.text("xl"),
        station=extension.text("zd"),
        purse_counter=extension.count("jyxh"),
        psam=extension.text("psam"),
        psam_sequence=extension.count("psamxh", digits=18),
        tac=extension.text("tac").upper(),
        balance_after_fen=extension.fen("ye"),
    )


def _concession(extension: Fields) -> transit.ConcessionType.ValueType:
    return extension.code("yhlx", CONCESSIONS, transit.CONCESSION_TYPE_NONE)


def _fare_full_fen(native: Fields, extension: Fields) -> int:
    return extension.fen("ysje") if extension.text("ysje") else native.fen("je")


def _entry(native: Fields, extension: Fields) -> Event:
    return Event(transit_entry_recorded=transit.TransitEntryRecorded(tap=_tap(native, extension)))


def _exit(native: Fields, extension: Fields) -> Event:
    left = transit.TransitExitRecorded(
        tap=_tap(native, extension),
        fare_full_fen=_fare_full_fen(native, extension),
        fare_paid_fen=native.fen("je"),
        concession_type=_concession(extension),
        concession_units=extension.count("yhcs"),
    )
    return Event(transit_exit_recorded=left)


def _journey(native: Fields, extension: Fields) -> Event:
    journey = transit.TransitJourneyCompleted(
        tap=_tap(native, extension),
        line_in=extension.text("jzxl"),
        station_in=extension.text("jzzd"),
        entry_at=extension.instant("jzsj"),
        exit_at=extension.instant("czsj"),
        fare_full_fen=_fare_full_fen(native, extension),
        fare_paid_fen=native.fen("je"),
        concession_type=_concession(extension),
        concession_units=extension.count("yhcs"),
    )
    return Event(transit_journey_completed=journey)


def _incomplete(native: Fields, extension: Fields) -> Event:
    incomplete = transit.TransitJourneyIncomplete(
        tap=_tap(native, extension), exit_missing=extension.flag("qsbz"), fare_paid_fen=native.fen("je")
    )
    return Event(transit_journey_incomplete=incomplete)


KINDS = {"TRA.BUS": _trip, "TRA.MET": _trip, "TRA.ELD": _trip, "TRA.QR": _trip}
WITH_AMOUNT = {"transit_exit_recorded", "transit_journey_completed", "transit_journey_incomplete"}
