"""What a B2 record must satisfy to be meant, and which fact it is when it comes again.

A transit record is one tap of one purse wherever it comes: (transit card, purse counter, PSAM, PSAM number). Any other
record is a line of a file. Both identities name nobody: the card number is inside a fingerprint.
"""

from datetime import timedelta
from typing import Final

from adapters.chongqing.errors import AckCode, LineRefused
from adapters.chongqing.references import CHONGQING, fingerprint, region_of_area
from adapters.chongqing.usage_file import FileHeader
from adapters.chongqing.usage_record import UsageRecord

REVERSAL: Final = "90"
LATE, CORRECTION, TEST = "1", "2", "9"
CONCESSIONS: Final = frozenset(("00", "01", "02", "03"))

# (scene, txn_type) → the scenario of the catalogue; these pairs, and reversals in TRAN, are all that is understood.
# MEDI, GOVT, HRSS and FUND records say no more than that the card was shown there.
SCENARIOS: Final = {
    ("TRAN", "02"): "", ("TRAN", "06"): "TRA.BUS", ("TRAN", "09"): "TRA.MET",
    ("LIBR", "21"): "CUL.LIB.BRW", ("LIBR", "22"): "CUL.LIB.RET", ("SCEN", "31"): "TOU.GATE",
    ("HOTL", "31"): "TOU.HTL", ("MEDI", "31"): "MED.REG", ("GOVT", "31"): "GOV.ID", ("HRSS", "31"): "HR.EMP",
    ("FUND", "31"): "FND.PAY",
}  # fmt: skip


def identity_of(record: UsageRecord, header: FileHeader) -> str:
    """Returns which fact *record* is, the same whenever it comes again."""
    if not (record.card_no_tu and record.psam):
        return f"line:{header.file_id}:{record.seq:09d}"
    return f"undo:{_tap(record)}" if record.txn_type == REVERSAL else original_identity(record)


def original_identity(record: UsageRecord) -> str:
    """Returns the identity of the tap that *record* is, or that it undoes."""
    return f"trip:{_tap(record)}"


def native_reference(record: UsageRecord) -> str:
    """Returns how the transit centre names a tap without its card: counter, PSAM, PSAM number."""
    return f"{record.txn_ctr:06d}/{record.psam}/{record.psam_seq:09d}"


def _tap(record: UsageRecord) -> str:
    return fingerprint(record.card_no_tu, native_reference(record)).hex()[:32]


def check_record(record: UsageRecord) -> None:
    """Raises LineRefused for a record that can be read but not be meant."""
    if record.flag == TEST:
        raise LineRefused(AckCode.TEST_RECORD, "测试记录不入库")
    if record.flag not in ("0", LATE, CORRECTION):
        raise LineRefused(AckCode.FLAG, "flag取值错误")
    if (record.scene, record.txn_type) not in (*SCENARIOS, ("TRAN", REVERSAL)):
        raise LineRefused(AckCode.SCENE, "scene与txn_type组合未知")
    # Trips after midnight belong to the business day before; anything else is a mistake in one of the dates.
    if record.txn_at.date() - record.biz_date not in (timedelta(0), timedelta(days=1)):
        raise LineRefused(AckCode.CALENDAR, "txn_date不是biz_date当日或次日")
    if record.conc_type not in CONCESSIONS:
        raise LineRefused(AckCode.CONCESSION, "conc_type取值错误")
    if region_of_area(record.svc_city) is None:
        raise LineRefused(AckCode.AREA, "svc_city不在川渝")
    if record.scene != "TRAN" and not (record.line_in or record.stn_in):
        raise LineRefused(AckCode.TEXT, "缺少场所代码(line_in,stn_in)")
    if record.scene == "LIBR" and not (record.line_out or record.stn_out):
        raise LineRefused(AckCode.TEXT, "缺少图书条码(line_out,stn_out)")
    _check_card(record)


def _check_card(record: UsageRecord) -> None:
    if not (record.ss_card_no or record.card_no_tu):
        raise LineRefused(AckCode.CARD, "没有卡号")
    if record.ss_card_no and len(record.ss_card_no) != 9:
        raise LineRefused(AckCode.CARD, "ss_card_no不是9位")
    transit_no = record.card_no_tu
    if transit_no and not (len(transit_no) == 19 and transit_no.isdigit() and transit_no.startswith("310")):
        raise LineRefused(AckCode.CARD, "card_no_tu不是310开头的19位数字")
    if transit_no and record.issuer_code != transit_no[:8]:
        raise LineRefused(AckCode.CARD, "issuer_code与card_no_tu不符")
    if not issuer_region(record):
        raise LineRefused(AckCode.CARD, "发卡方不在川渝")


def issuer_region(record: UsageRecord) -> str:
    """Returns the region that issued the card, empty if it is of neither province.

    The issuer code is 310, the UnionPay area, a digit. A record without one is of Chongqing's own card: a number of
    nine characters alone is unique only inside one province, and the sender is Chongqing.
    """
    if not record.issuer_code:
        return f"{CHONGQING}0000"
    return region_of_area(record.issuer_code[3:7]) or ""
