"""Filings, settlements, loans and visits in both native formats: each says the same in either, and what cannot be read is refused."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import usage_coupon_pb2 as coupon
from chuanyu.exchange.v1 import usage_culture_pb2 as culture
from chuanyu.exchange.v1 import usage_medical_pb2 as medical
from google.protobuf.message import Message

from adapters.chongqing.consumption_kinds import CONSUMPTION
from adapters.chongqing.culture_kinds import CULTURE
from adapters.chongqing.errors import MalformedCall
from adapters.chongqing.medical_kinds import MEDICAL
from adapters.chongqing.pseudo_xml import NativeCall
from adapters.chongqing.translate_call import card_of, translate_call
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.translate import translate
from hub.domain.consumption.coupons import COUPON_KINDS
from hub.domain.consumption.points import POINTS_KINDS
from hub.domain.culture.loans import LOAN_KINDS, READER_REGISTERED
from hub.domain.culture.visits import VISIT_KINDS
from hub.domain.medical.filings import FILING_KINDS
from hub.domain.medical.settlements import SETTLEMENT_KINDS
from tests.adapters.test_cases import CALL
from tests.adapters.test_sichuan import asked, sample

MONEY = medical.MedicalMoney(
    total_fen=8_600,
    pooled_fund_fen=5_000,
    fund_total_fen=5_000,
    person_total_fen=3_600,
    personal_account_fen=1_000,
    cash_fen=2_600,
)
NATIONAL = {
    "medfee_sumamt": "86.00", "hifp_pay": "50.00", "fund_pay_sumamt": "50.00", "psn_part_amt": "36.00", "acct_pay": "10.00",
    "psn_cash_pay": "26.00",
}  # fmt: skip
YUAN = {"总费用": "86.00", "统筹基金": "50.00", "基金合计": "50.00", "个人合计": "36.00", "个人账户": "10.00", "现金": "26.00"}
FILED = medical.MedicalFilingRegistered(
    filing_no="F1",
    filing_kind=medical.MEDICAL_FILING_KIND_REFERRAL,
    insured_region="500103",
    treatment_region="510100",
    valid_from="2026-03-01",
    valid_to="2026-08-31",
)
SETTLED = medical.MedicalSettlementCompleted(
    institution_code="H51010400351",
    visit_id="V1",
    settlement_id="S1",
    visit_type=medical.MEDICAL_VISIT_TYPE_OUTPATIENT,
    money=MONEY,
    insured_region="500103",
    treatment_region="510104",
    insurance_type="310",
    clearing_type="11",
)
BACK = medical.MedicalSettlementReversed(institution_code="H51010400351", settlement_id="R1", original_settlement_id="S1", money=MONEY)
ENTERED = culture.VenueGateEntered(
    gate="01",
    ticket_type=culture.TICKET_TYPE_FREE,
    concession=culture.VISIT_CONCESSION_ELDER,
    party_size=2,
    booking_ref="K1",
    fast_lane=True,
    grade="5A",
)
HOSPITAL = {"fixmedins_code": "H51010400351", "mdtrt_id": "V1", "med_type": "11"}
ITEM = {"gdm": "SC-LIB-001", "tsm": "B1"}
BOOK = {"馆代码": "SC-LIB-001", "图书条码": "B1"}
PARK = {"场馆类别": "景区", "场馆代码": "SC-PARK-01"}
# Of each report: the scenario and what Sichuan and Chongqing write, and what it is.
REPORTS: list[tuple[str, dict[str, str], str, dict[str, str], Message]] = [
    (
        "MED.REG",
        {"czlx": "BA", "babh": "F1", "rloc_type": "4", "insuplc_admdvs": "500103", "mdtrtarea_admvs": "510100", "begndate": "20260301",
         "enddate": "20260831"},
        "异地就医备案",
        {"备案编号": "F1", "备案类型": "异地转诊", "参保地": "500103", "就医地": "510100", "生效日期": "20260301", "截止日期": "20260831"},
        FILED,
    ),
    ("MED.REG", {"czlx": "BD", "babh": "F1"}, "备案到期", {"备案编号": "F1"}, medical.MedicalFilingExpired(filing_no="F1")),
    (
        "MED.REG",
        {"czlx": "BC", "babh": "F1", "insuplc_admdvs": "500103", "cxyy": "RETURNED"},
        "备案撤销",
        {"备案编号": "F1", "参保地": "500103", "撤销原因": "RETURNED"},
        medical.MedicalFilingCancelled(filing_no="F1", insured_region="500103", reason_code="RETURNED"),
    ),
    (
        "MED.OP",
        {**HOSPITAL, **NATIONAL, "setl_id": "S1", "insuplc_admdvs": "500103", "mdtrtarea_admvs": "510104", "insutype": "310",
         "clr_type": "11"},
        "医保结算",
        {**YUAN, "医药机构": "H51010400351", "就诊编号": "V1", "结算编号": "S1", "就诊类别": "普通门诊", "参保地": "500103",
         "就医地": "510104",
         "险种": "310", "清算类别": "11"},
        SETTLED,
    ),
    (
        "MED.OP",
        {**HOSPITAL, **NATIONAL, "setl_id": "R1", "init_setl_id": "S1"},
        "医保退费",
        {**YUAN, "医药机构": "H51010400351", "结算编号": "R1", "原结算编号": "S1", "就诊类别": "普通门诊"},
        BACK,
    ),
    (
        "CUL.LIB.IN",
        {"gdm": "SC-LIB-001", "czlx": "ZC"},
        "读者注册",
        {"馆代码": "SC-LIB-001"},
        culture.LibraryReaderRegistered(branch_code="SC-LIB-001"),
    ),
    (
        "CUL.LIB.BRW",
        {**ITEM, "czlx": "JC", "ssg": "CQ-LIB-001", "yhrq": "20260401"},
        "图书借出",
        {**BOOK, "所属馆": "CQ-LIB-001", "应还日期": "20260401"},
        culture.LibraryItemBorrowed(branch_code="SC-LIB-001", barcode="B1", owner_branch="CQ-LIB-001", due_on="2026-04-01"),
    ),
    (
        "CUL.LIB.BRW",
        {**ITEM, "czlx": "XJ", "yhrq": "20260501"},
        "图书续借",
        {**BOOK, "应还日期": "20260501"},
        culture.LibraryItemRenewed(branch_code="SC-LIB-001", barcode="B1", due_on="2026-05-01"),
    ),
    (
        "CUL.LIB.RET",
        {**ITEM, "czlx": "GH", "ssg": "CQ-LIB-001", "je": "1.50"},
        "图书归还",
        {**BOOK, "所属馆": "CQ-LIB-001", "滞纳金": "1.50"},
        culture.LibraryItemReturned(branch_code="SC-LIB-001", barcode="B1", owner_branch="CQ-LIB-001", cross_return=True, fine_fen=150),
    ),
    (
        "CUL.LIB.BRW",
        {**ITEM, "czlx": "DS", "je": "50.00", "ypf": "1"},
        "图书丢失",
        {**BOOK, "赔偿金": "50.00", "已赔付": "是"},
        culture.LibraryItemLost(branch_code="SC-LIB-001", barcode="B1", fine_fen=5_000, compensated=True),
    ),
    (
        "TOU.GATE",
        {"gdm": "SC-PARK-01", "zjh": "01", "plx": "03", "yhlx": "03", "rs": "2", "yyh": "K1", "kstd": "1", "jb": "5A"},
        "入园",
        {**PARK, "闸机": "01", "票类型": "免票", "优惠": "老人", "人数": "2", "预约号": "K1", "快速通道": "是", "景区级别": "5A"},
        ENTERED,
    ),
    (
        "TOU.GATE",
        {"gdm": "SC-PARK-01", "czlx": "LG", "zjh": "02", "rs": "2", "yyh": "K1"},
        "离园",
        {**PARK, "闸机": "02", "人数": "2", "预约号": "K1"},
        culture.VenueGateLeft(gate="02", party_size=2, booking_ref="K1"),
    ),
    (
        "TOU.GATE",
        {"gdm": "SC-PARK-01", "czlx": "YY", "yyh": "K1", "ylrq": "20260305", "rs": "2"},
        "预约",
        {**PARK, "预约号": "K1", "游览日期": "20260305", "人数": "2"},
        culture.VenueBookingMade(booking_ref="K1", visit_on="2026-03-05", party_size=2),
    ),
    (
        "TOU.GATE",
        {"gdm": "SC-PARK-01", "czlx": "QX", "yyh": "K1", "qxyy": "HOLDER"},
        "取消预约",
        {**PARK, "预约号": "K1", "取消原因": "HOLDER"},
        culture.VenueBookingCancelled(booking_ref="K1", reason_code="HOLDER"),
    ),
    (
        "CON.CPN",
        {"czlx": "FF", "qid": "Q1", "me": "50.00", "zdxf": "200.00", "czf": "CQ-COMMERCE", "yxqz": "20260331"},
        "消费券发放",
        {"券号": "Q1", "面额": "50.00", "最低消费": "200.00", "出资方": "CQ-COMMERCE", "有效期至": "20260331"},
        coupon.CouponGranted(coupon_id="Q1", face_fen=5_000, min_spend_fen=20_000, funder="CQ-COMMERCE", expires_on="2026-03-31"),
    ),
    (
        "CON.CPN",
        {"qid": "Q1", "shbh": "M1", "je": "50.00"},
        "消费券核销",
        {"券号": "Q1", "商户编号": "M1", "核销金额": "50.00"},
        coupon.CouponRedeemed(coupon_id="Q1", merchant_id="M1", used_fen=5_000),
    ),
    (
        "CON.CPN",
        {"czlx": "TH", "qid": "Q1", "je": "20.00"},
        "消费券退回",
        {"券号": "Q1", "退回金额": "20.00"},
        coupon.CouponReversed(coupon_id="Q1", returned_fen=2_000),
    ),
    ("CON.CPN", {"czlx": "GQ", "qid": "Q1"}, "消费券过期", {"券号": "Q1"}, coupon.CouponExpired(coupon_id="Q1")),
    (
        "CON.CPN",
        {"czlx": "JZ", "zhh": "J1", "jf": "300", "sy": "SHOP"},
        "积分增加",
        {"积分账户": "J1", "积分": "300", "事由": "SHOP"},
        coupon.PointsEarned(account_id="J1", points=300, reason_code="SHOP"),
    ),
    (
        "CON.CPN",
        {"czlx": "JS", "zhh": "J1", "jf": "120", "sy": "GIFT"},
        "积分使用",
        {"积分账户": "J1", "积分": "120", "事由": "GIFT"},
        coupon.PointsSpent(account_id="J1", points=120, reason_code="GIFT"),
    ),
    (
        "CON.CPN",
        {"czlx": "JT", "zhh": "J1", "jf": "30", "fx": "F", "sy": "FIX"},
        "积分调整",
        {"积分账户": "J1", "积分": "30", "方向": "减", "事由": "FIX"},
        coupon.PointsAdjusted(account_id="J1", points_delta=-30, reason_code="FIX"),
    ),
]  # fmt: skip


def sichuan(scenario: str, extension: dict[str, str]) -> Any:
    extension = dict(extension)
    native = {**sample("SBK2104-library-borrow"), "yydm": scenario, "yyqh": "510100", "je": extension.pop("je", "0.00"), "kzxx": extension}
    [event] = translate(asked("SBK2104"), native).events
    return event


def chongqing(operation: str, fields: dict[str, str]) -> Any:
    [(_, event)] = translate_call(NativeCall({**CALL, "操作": operation, **fields}, ""))
    return event


@pytest.mark.parametrize(("scenario", "extension", "operation", "fields", "expected"), REPORTS, ids=[report[2] for report in REPORTS])
def test_a_report_says_the_same_in_either_format(
    scenario: str, extension: dict[str, str], operation: str, fields: dict[str, str], expected: Message
) -> None:
    here, there = sichuan(scenario, extension), chongqing(operation, fields)
    assert [getattr(event, event.WhichOneof("kind")) for event in (here, there)] == [expected, expected]
    assert here.venue_code == there.venue_code or not there.venue_code
    assert there.scenario in (here.scenario, "")


def test_every_kind_of_the_ledgers_has_its_word_in_both_formats() -> None:
    kinds = FILING_KINDS | SETTLEMENT_KINDS | LOAN_KINDS | VISIT_KINDS | {READER_REGISTERED} | COUPON_KINDS | POINTS_KINDS
    assert {sichuan(scenario, extension).WhichOneof("kind") for scenario, extension, *_ in REPORTS} == kinds
    assert {operation for _, _, operation, *_ in REPORTS} == {*MEDICAL, *CULTURE, *CONSUMPTION}


def test_the_standing_of_the_card_has_no_say_in_the_reply() -> None:
    assert card_of(NativeCall({**CALL, "操作": "图书归还", **BOOK}, "")) is None


@pytest.mark.parametrize(
    ("operation", "fields", "says"),
    [
        ("异地就医备案", {"备案编号": ""}, "缺少"),
        ("异地就医备案", {"备案类型": "旅游"}, "备案类型取值错误"),
        ("异地就医备案", {"生效日期": "2026-03-01"}, "生效日期格式错误"),
        ("医保结算", {"总费用": "86"}, "总费用格式错误"),
        ("医保结算", {"现金": "-1.00"}, "现金格式错误"),
        ("医保结算", {"就诊类别": "体检"}, "就诊类别取值错误"),
        ("医保退费", {"原结算编号": ""}, "缺少原结算编号"),
        ("图书借出", {"图书条码": ""}, "缺少图书条码"),
        ("图书借出", {"应还日期": "20260230"}, "应还日期格式错误"),
        ("图书丢失", {"已赔付": "也许"}, "已赔付取值错误"),
        ("入园", {"人数": "二"}, "人数格式错误"),
        ("预约", {"游览日期": ""}, "缺少游览日期"),
        ("消费券发放", {"面额": ""}, "缺少面额"),
        ("消费券发放", {"面额": "50"}, "面额格式错误"),
        ("消费券核销", {"商户编号": ""}, "缺少商户编号"),
        ("积分使用", {"积分": "-5"}, "积分格式错误"),
        ("积分调整", {"方向": "左"}, "方向取值错误"),
        ("取消预约", {"场馆类别": "酒店"}, "场馆类别取值错误"),
    ],
)
def test_what_chongqing_cannot_have_meant_is_refused_by_its_field(operation: str, fields: dict[str, str], says: str) -> None:
    right = next(report[3] for report in REPORTS if report[2] == operation)
    with pytest.raises(MalformedCall, match=says):
        chongqing(operation, {**right, **fields})


@pytest.mark.parametrize(
    ("scenario", "extension", "field"),
    [
        ("MED.REG", {"czlx": "BX"}, "czlx"),
        ("MED.REG", {"czlx": "BA", "begndate": "2026-03-01"}, "begndate"),
        ("MED.OP", {"medfee_sumamt": "86"}, "medfee_sumamt"),
        ("TOU.GATE", {"czlx": "XX"}, "czlx"),
        ("TOU.GATE", {"czlx": "YY", "ylrq": "20260230"}, "ylrq"),
        ("CUL.LIB.BRW", {"czlx": "DS", "ypf": "2"}, "ypf"),
        ("CON.CPN", {"czlx": "XX", "qid": "Q1"}, "czlx"),
        ("CON.CPN", {"czlx": "FF", "qid": "Q1"}, "me"),
        ("CON.CPN", {"czlx": "JS", "zhh": "J1", "jf": "1.5"}, "jf"),
    ],
)
def test_what_sichuan_cannot_have_meant_is_refused_by_its_field(scenario: str, extension: dict[str, str], field: str) -> None:
    with pytest.raises(ParameterInvalid, match=field):
        sichuan(scenario, extension)
