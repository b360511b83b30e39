"""Calls and files for the Chongqing adapter: cards and their lives (B1), and the transit centre's usage files (B2)."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from adapters.chongqing.usage_file import CRLF, FileHeader, encode_file
from adapters.chongqing.usage_record import RECORD_BYTES, UsageRecord
from adapters.simulator import places
from adapters.simulator.clock import business_day
from adapters.simulator.joint_cases import JointCase
from adapters.simulator.messages import ChongqingCall, ChongqingFile, Fault
from adapters.simulator.people import with_wrong_check_digit
from adapters.simulator.world import Card, Status

USERS: Final = ("CQWIN01", "CQWIN02", "CQAPP01", "CQBANK01")
CHANNELS: Final = ("电话", "窗口", "窗口", "网厅", "银行")
REPLACEMENTS: Final = ("到期", "损坏", "信息变更", "升级换代", "升级换代", "更换银行")
CANCELLATIONS: Final = ("死亡", "出国定居", "迁出", "本人申请")
FILINGS: Final = ("异地安置退休", "长期居住", "常驻异地工作", "异地转诊", "临时外出")
LOCKS: Final = ("风险", "数据争议", "密码锁定")
_LETTERS: Final = {Status.SEALED: "FC", Status.ACTIVE: "ZC", Status.TEMP_LOST: "LG", Status.FORMALLY_LOST: "ZG",
                   Status.LOCKED: "SD"}  # fmt: skip
_OPERATIONS: Final = {
    "temporary_loss": "临时挂失", "formal_loss": "正式挂失", "release": "解除挂失", "reissue": "补卡",
    "replacement": "换卡", "lock": "应用锁定", "unlock": "应用解锁", "cancellation": "注销",
    "activation": "领卡启用", "succession": "领卡启用", "application": "申请社保卡",
    "document_folded_in": "证照并入", "document_withdrawn": "证照注销",
}  # fmt: skip
# The operation of each step of a case, and what its call says besides.
_CASE_STEPS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "submitted": ("办件提交", {"认证方式": "电子社保卡", "免表单": "是", "免交材料": "身份证明、参保证明", "承诺工作日": "5"}),
    "received": ("办件收件", {}),
    "supplement_requested": ("办件补正通知", {"补正材料": "户口簿"}),
    "supplemented": ("办件补正", {"补正材料": "户口簿"}),
    "accepted": ("办件受理", {"承诺工作日": "5"}),
    "decided": ("办件办结", {"办理结果": "准予"}),
    "delivered": ("办件送达", {}),
    "rated": ("办件评价", {}),
    "forwarded": ("办件转递", {}),
}
_RETURN_COLUMNS: Final = "序号,社保卡号,社会保障号码,姓名,发卡日期,卡有效期,卡识别码,卡复位码,服务银行,银行卡号,个人帐户,装箱位置,交通联合卡号,规范版本,失败环节,失败原因"  # noqa: E501
_NAME: Final = slice(46, 76)
# 㐂 cut after its second byte, as a field cut by bytes leaves it: no GB18030 decoder reads this.
HALF_A_CHARACTER: Final = b"\xb2\xe2\xca\xd4\x81\x39"


class ChongqingTraffic:
    """Numbers calls and files; *next_file* gives the file number of a business day that is free."""

    def __init__(self, rng: Random, seed: int, next_file: Callable[[date], int]) -> None:
        """Takes the *seed* into the 流水号, so that runs that begin at one instant do not share them."""
        self._rng, self._seed, self._made, self._next_file = rng, seed % 10_000, 0, next_file

    def registration(self, card: Card, at: datetime) -> ChongqingCall:
        """Returns the card centre's word on a card it issued before it spoke to the hub."""
        fields = self._about("卡信息登记", card, at, card.region) | {
            "卡状态": _LETTERS[card.status], "规范版本": card.version, "卡类别": _kind(card),
            "发卡日期": f"{card.issued_on:%Y%m%d}", "卡有效期": f"{card.expires_on:%Y%m%d}",
        } | _known({"服务银行": card.bank_code, "卡识别码": card.ident_code, "交通联合卡号": card.transit_no,
                    "银行卡号": card.account})  # fmt: skip
        if card.status is Status.TEMP_LOST:
            fields["有效期至"] = f"{at + timedelta(days=5):%Y%m%d%H%M%S}"
        return ChongqingCall(fields, card.card_no, 1)

    def step(self, card: Card, step: str, replaced: Card | None, at: datetime) -> list[ChongqingCall]:
        """Returns the calls that report one *step* of a Chongqing card, in order."""
        rng, lane = self._rng, (replaced or card).card_no
        extra: dict[str, str] = {}
        if step in ("temporary_loss", "formal_loss", "release", "reissue", "replacement"):
            extra["受理渠道"] = rng.choice(CHANNELS)
        if step == "reissue":
            extra["即时制卡"] = "是"
        elif step == "replacement":
            extra |= {"换卡原因": rng.choice(REPLACEMENTS), "同号换卡": "是" if card.account else "否"}
        elif step == "document_folded_in":
            days = {"生效日期": f"{at:%Y%m%d}", "截止日期": f"{at + timedelta(days=3 * 365):%Y%m%d}"}
            extra |= {"证照类别": card.document} | days
        elif step == "document_withdrawn":
            extra["证照类别"] = card.document
        elif step == "lock":
            extra["锁定原因"] = rng.choice(LOCKS)
        elif step == "cancellation":
            extra["注销原因"] = rng.choice(CANCELLATIONS)
        elif step == "application":
            extra |= {"服务银行": card.bank_code or "105", "手机号": f"138{int(rng.random() * 10**8):08d}",
                      "规范版本": card.version, "卡类别": _kind(card)}  # fmt: skip
        elif step in ("activation", "succession"):
            old = _known({"旧卡号": replaced.card_no if replaced else ""})
            extra |= {"银行同步激活": "是" if card.account else "否"} | old
        events = 2 if step in ("activation", "succession") else 1
        call = ChongqingCall(self._about(_OPERATIONS[step], card, at, card.region) | extra, lane, events)
        if step == "succession":
            return [self._produced(card, lane, at), call]
        return [call, self._produced(card, lane, at)] if step == "application" else [call]

    def _produced(self, card: Card, lane: str, at: datetime) -> ChongqingCall:
        """Returns the card maker's return of one card (即时制卡), with all that its chip and bank now carry."""
        holder, batch_no = card.holder, f"CQ{at:%Y%m%d}{self._seed:04d}"
        row = ("1", card.card_no, holder.id_no, holder.name, f"{card.issued_on:%Y%m%d}", f"{card.expires_on:%Y%m%d}",
               card.ident_code, "0081544C9386635000A1B2C3D4", card.bank_code, card.account, "", "1-1", card.transit_no,
               card.version, "", "")  # fmt: skip
        fields = self._call("即制卡回盘", at) | {"所属区县": card.region, "受理地": card.region, "批次号": batch_no}
        return ChongqingCall(fields, lane, 1, f"{_RETURN_COLUMNS}\r\n{','.join(row)}")

    def loss_elsewhere(self, card: Card, at: datetime, taken_at: str) -> ChongqingCall:
        """Returns a loss call whose 受理地 is in the other province than the card: a request to the issuer."""
        fields = self._about("临时挂失", card, at, taken_at) | {"受理渠道": "窗口"}
        return ChongqingCall(fields, card.card_no, 1)

    def case_step(self, case: JointCase, step: str, at: datetime) -> ChongqingCall:
        """Returns the call that reports one *step* of a case which Chongqing takes."""
        operation, extra = _CASE_STEPS[step]
        fields = self._about(operation, case.card, at, places.CASE_WINDOWS["50"]) | {
            "办件编号": case.number, "事项编码": case.item, "办理方": case.handling, "决定方": case.deciding,
        } | extra  # fmt: skip
        if step == "submitted":
            fields["办理模式"] = "全程网办" if case.handling == case.deciding else "异地代收代办"
        elif step == "forwarded":
            fields["目的省份"] = case.deciding
        elif step == "rated":
            fields["星级"] = str(case.stars)
        return ChongqingCall(fields, case.card.card_no, 1)

    def filing(self, card: Card, at: datetime) -> ChongqingCall:
        """Returns the filing 备案 of a person whom Chongqing insures, for treatment in Chengdu."""
        self._made += 1
        fields = self._about("异地就医备案", card, at, card.region) | {
            "备案编号": f"BA{at:%Y%m%d}{self._seed:04d}{self._made:08d}", "备案类型": self._rng.choice(FILINGS), "参保地": card.region,
            "就医地": "510100", "生效日期": f"{at:%Y%m%d}", "截止日期": f"{at + timedelta(days=180):%Y%m%d}",
        }  # fmt: skip
        return ChongqingCall(fields, card.card_no, 1)

    def loan(self, card: Card, at: datetime) -> ChongqingCall:
        """Returns a loan of a library of Chongqing, with its due day."""
        library, region = self._rng.choice(places.CHONGQING_LIBRARIES)
        self._made += 1
        fields = self._about("图书借出", card, at, region) | {
            "馆代码": library, "图书条码": f"B{library}{self._seed:04d}{self._made:08d}", "所属馆": library,
            "应还日期": f"{at + timedelta(days=30):%Y%m%d}",
        }  # fmt: skip
        return ChongqingCall(fields, card.card_no, 1)

    def outlet(self, region: str, says: tuple[str, bool, str, str], at: datetime) -> ChongqingCall:
        """Returns the report of an outlet: its code, whether it is a bank's, its stars and its first day."""
        code, is_bank, stars, begins = says
        fields = {"受理地": region, "网点代码": code, "经办类型": "银行" if is_bank else "社保经办", "星级": stars, "生效日期": begins}
        return ChongqingCall(self._call("网点登记", at) | fields, code, 1)

    def basis(self, card: Card, says: tuple[str, str, str], at: datetime) -> ChongqingCall:
        """Returns that a person belongs to a group: its code, the law and the service."""
        group, law, service = says
        fields = self._about("群体依据登记", card, at, card.region) | {
            "群体代码": group, "法律依据": law, "服务代码": service, "生效日期": f"{at - timedelta(days=30):%Y%m%d}",
        }  # fmt: skip
        return ChongqingCall(fields, card.card_no, 1)

    def group_service(self, card: Card, service: str, at: datetime) -> ChongqingCall:
        """Returns that a service was given to a person."""
        return ChongqingCall(self._about("群体服务提供", card, at, places.CASE_WINDOWS["50"]) | {"服务代码": service}, card.card_no, 1)

    def faulty(self, card: Card, at: datetime, fault: Fault) -> ChongqingCall:
        """Returns a loss call that nobody may act on: wrong in the way *fault* names."""
        fields = self._about("临时挂失", card, at, card.region)
        if fault is Fault.WRONG_CHECK_DIGIT:
            fields["社会保障号码"] = with_wrong_check_digit(card.holder.id_no)
            return ChongqingCall(fields, card.card_no, 1, fault=fault, quarantined=1)
        return ChongqingCall(fields, card.card_no, 0, fault=fault)

    def case_number(self, at: datetime) -> str:
        """Returns the serial of a case that is filed in Chongqing."""
        self._made += 1
        return f"{at:%Y%m%d}{self._seed:04d}{self._made:08d}"

    def _call(self, operation: str, at: datetime) -> dict[str, str]:
        self._made += 1
        serial = f"CQ{at:%Y%m%d%H%M%S}{self._seed:04d}{self._made:08d}"
        user = self._rng.choice(USERS)
        return {"操作": operation, "用户名": user, "时间戳": f"{at:%Y-%m-%d %H:%M:%S}", "流水号": serial}

    def _about(self, operation: str, card: Card, at: datetime, taken_at: str) -> dict[str, str]:
        return self._call(operation, at) | {
            "所属区县": card.region, "社保卡号": card.card_no, "社会保障号码": card.holder.id_no,
            "姓名": card.holder.name, "受理地": taken_at,
        }  # fmt: skip

    def file(self, records: Sequence[UsageRecord], at: datetime) -> ChongqingFile:
        """Returns the file of *records*, made at local time *at*; each becomes an event, and so does the file."""
        day = business_day(at)
        header = FileHeader(day, self._next_file(day), at.replace(microsecond=0))
        return ChongqingFile(header, _numbered(records), len(records) + 1)


def resend(file: ChongqingFile, changed: UsageRecord, added: UsageRecord, note: Fault) -> ChongqingFile:
    """Returns *file* under its own number and the next version, its first line *changed* and a line *added*."""
    header = replace(file.header, version="02.11")
    lines = _numbered((changed, *file.lines[1:], added))
    return replace(file, header=header, lines=lines, events=3, fault=note)


def file_bytes(file: ChongqingFile) -> bytes:
    """Returns the bytes to drop into the inbox, with the fault the file was given."""
    header, *details, trailer = encode_file(file.header, file.lines)
    if file.broken_line:
        line = bytearray(details[file.broken_line - 1])
        line[_NAME] = HALF_A_CHARACTER.ljust(30)
        details[file.broken_line - 1] = bytes(line)
        # The sender hashed what it sent: the fault is the line's alone.
        digest = hashlib.new("sm3", CRLF.join(line.removesuffix(CRLF) for line in details)).hexdigest()
        trailer = (trailer[:24] + digest.encode()).ljust(RECORD_BYTES) + CRLF
    if file.fault is Fault.WRONG_SUM:
        trailer = trailer[:10] + b"%014d" % (int(trailer[10:24]) + 100) + trailer[24:]
    return b"".join((header, *details, trailer))


def loss_taker(rng: Random, card: Card) -> str:
    """Returns a region of the other province than *card*'s, where its loss is reported."""
    return rng.choice(places.CHENGDU if card.province == "50" else places.CHONGQING_CENTRE)


def _kind(card: Card) -> str:
    return "临时卡" if card.is_temporary else "正式卡"


def _known(fields: dict[str, str]) -> dict[str, str]:
    return {tag: value for tag, value in fields.items() if value}


def _numbered(records: Sequence[UsageRecord]) -> tuple[UsageRecord, ...]:
    return tuple(replace(record, seq=number) for number, record in enumerate(records, 1))
