"""Messages for the Sichuan gateway, in clear: cards, their lives, their use in batches, and fund disbursement."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from random import Random
from typing import Any, Final

from adapters.simulator import places
from adapters.simulator.messages import Fault, SichuanMessage
from adapters.simulator.sichuan_line import Line, about, yuan
from adapters.simulator.world import Card, World

APP_ID: Final = "SC-SBK-0001"
CHANNELS: Final = ("01", "02", "02", "03", "03", "05")
REPLACEMENT_REASONS: Final = ("01", "02", "03", "04", "04", "05")
MAX_USES, MAX_FUND_ROWS = 500, 500
NEW_OF_ROWS: Final = 10
ELIGIBLE: Final = "SBK5002"
RETURNED: Final = 0.02
RETURN_CODES: Final = ("01", "02", "03", "03", "04", "05", "07")
_ECARD_ACTIONS: Final = {
    "ecard_signed": "01", "ecard_suspended": "02", "ecard_resumed": "03", "ecard_reauthorized": "04",
}  # fmt: skip
_DOCUMENT_ACTIONS: Final = {"document_folded_in": "11", "document_withdrawn": "12"}
_DOCUMENTS: Final = {"残疾人证": "01", "外国人工作许可证": "02"}
_OPERATIONS: Final = {
    "temporary_loss": "SBK1101", "formal_loss": "SBK1102", "release": "SBK1103", "application": "SBK1201",
    "reissue": "SBK1202", "replacement": "SBK1202", "activation": "SBK1301", "succession": "SBK1301",
}  # fmt: skip


class SichuanTraffic:
    """Numbers messages the way the province does: 510000, local time, twelve digits that do not come twice."""

    def __init__(self, rng: Random, seed: int) -> None:
        """Takes the *seed* into the numbers, so that runs that begin at one instant do not share them."""
        self._rng, self._seed, self._made = rng, seed % 10_000, 0

    def _message(self, trans_code: str, value: Any, lane: str, at: datetime, events: int) -> SichuanMessage:
        self._made += 1
        msg_id = f"510000{at:%Y%m%d%H%M%S}{self._seed:04d}{self._made:08d}"
        return SichuanMessage(trans_code, msg_id, value, lane, events)

    def registration(self, card: Card) -> SichuanMessage:
        """Returns the enabling of a card that the hub has not heard of, at the time it was enabled."""
        enabled_at = datetime.combine(card.issued_on + timedelta(days=4), time(10 + int(self._rng.random() * 7), 12))
        return self._activation(card, None, enabled_at)

    def step(self, card: Card, step: str, replaced: Card | None, at: datetime) -> SichuanMessage:
        """Returns the message that reports one *step* of a Sichuan card."""
        if step in ("activation", "succession"):
            return self._activation(card, replaced, at)
        fields = self._counter(card, at)
        if step in _ECARD_ACTIONS:
            fields |= {"dzzt": _ECARD_ACTIONS[step], "qfh": card.sign_no}
            if step == "ecard_signed":
                ends = at + timedelta(days=5 * 365)
                fields |= {"qfjb": "3", "qfqd": "天府市民云", "yxqz": f"{ends:%Y%m%d}235959"}
            return self._message("SBK1401", fields, card.card_no, at, 1)
        if step in _DOCUMENT_ACTIONS:
            fields |= {"dzzt": _DOCUMENT_ACTIONS[step], "zzlb": _DOCUMENTS[card.document]}
            if card.has_document:
                fields |= {"zzqs": f"{at:%Y%m%d}", "zzzz": f"{at + timedelta(days=3 * 365):%Y%m%d}"}
            return self._message("SBK1401", fields, card.card_no, at, 1)
        if step == "temporary_loss":
            fields["yxqz"] = f"{at + timedelta(days=7):%Y%m%d%H%M%S}"
        elif step == "application":
            fields |= {"aac006": "", "aae005": self._mobile(), "aae008": card.bank_code, "ggbb": card.version,
                       "klb": "02" if card.is_temporary else "01"}  # fmt: skip
        elif step == "reissue":
            fields |= {"hkyy": "06", "jszk": "1"}
        elif step == "replacement":
            fields |= {"hkyy": self._rng.choice(REPLACEMENT_REASONS), "thhk": "1" if card.account else "0"}
        return self._message(_OPERATIONS[step], fields, card.card_no, at, 1)

    def loss_of_chongqing_card(self, card: Card, at: datetime) -> SichuanMessage:
        """Returns a loss taken at a Sichuan window for a Chongqing card: a request to its issuer."""
        fields = self._counter(card, at)
        # A window: at a counter of the other province nobody rings up.
        fields |= {"slqh": self._rng.choice(places.SICHUAN_CITIES), "qd": "02"}
        return self._message("SBK1101", fields, card.card_no, at, 1)

    def _counter(self, card: Card, at: datetime) -> Line:
        fields = about(card, at, self._rng)
        serial = f"SCCK{at:%Y%m%d%H%M%S}{self._made:08d}"
        return fields | {"slqh": card.region, "qd": self._rng.choice(CHANNELS), "ywlsh": serial}

    def _activation(self, card: Card, replaced: Card | None, at: datetime) -> SichuanMessage:
        fields = self._counter(card, at) | {
            "ggbb": card.version, "klb": "02" if card.is_temporary else "01",
            "aac006": f"{card.holder.born_on:%Y%m%d}", "aae008": card.bank_code,
            "aaz503": f"{card.issued_on:%Y%m%d}", "kyxq": f"{card.expires_on:%Y%m%d}",
            "jtbz": "1" if card.transit_no else "0", "jtkh": card.transit_no, "qfh": card.sign_no,
            "jkkh": replaced.card_no if replaced else "", "jrjh": "1" if card.account else "0",
        }  # fmt: skip
        return self._message("SBK1301", fields, (replaced or card).card_no, at, 2)

    def _mobile(self) -> str:
        return f"139{int(self._rng.random() * 10**8):08d}"

    def batch(self, lines: Sequence[Line], at: datetime) -> SichuanMessage:
        """Returns up to 500 uses in one message, one use as a message of its own."""
        lane = f"uses{self._made}"
        if len(lines) == 1:
            return self._message("SBK2104", lines[0], lane, at, 1)
        message = self._message("SBK2105", list(lines), lane, at, len(lines))
        return replace(message, records=len(lines))

    def use_with_bad_money(self, line: Line, at: datetime) -> SichuanMessage:
        """Returns a use whose amount has lost a decimal, which the gateway must not guess."""
        message = self._message("SBK2104", line | {"je": "12.5"}, "bad", at, 0)
        return replace(message, fault=Fault.BAD_MONEY)

    def badly_sent(self, line: Line, at: datetime, fault: Fault) -> SichuanMessage:
        """Returns a use that is right and whose sending will be wrong, in the way *fault* names."""
        return replace(self._message("SBK2104", line, "bad", at, 0), fault=fault)

    def outlet(self, region: str, says: tuple[str, bool, str, str], at: datetime) -> SichuanMessage:
        """Returns the report of an outlet: its code, whether it is a bank's, its stars and its first day."""
        code, is_bank, stars, begins = says
        fields = {"wdqh": region, "wddm": code, "jblx": "01" if is_bank else "02", "xj": stars, "qsrq": begins}
        return self._fact("SBK5001", fields, code, at)

    def basis(self, card: Card, says: tuple[str, str, str], at: datetime) -> SichuanMessage:
        """Returns that a person belongs to a group: its code, the law and the service."""
        group, law, service = says
        fields = {"qtdm": group, "flyj": law, "fwdm": service, "qsrq": f"{at - timedelta(days=30):%Y%m%d}"}
        return self._fact("SBK5003", _who(card) | fields, card.card_no, at)

    def group_service(self, card: Card, service: str, at: datetime) -> SichuanMessage:
        """Returns that a service was given to a person."""
        fields = _who(card) | {"fwqh": places.CASE_WINDOWS["51"], "yydm": "GOV.ID", "fwdm": service}
        return self._fact("SBK5004", fields, card.card_no, at)

    def _fact(self, code: str, fields: Line, lane: str, at: datetime) -> SichuanMessage:
        return self._message(code, fields | {"fssj": f"{at:%Y%m%d%H%M%S}"}, lane, at, 1)

    def disbursement(self, world: World, row_count: int, at: datetime) -> list[SichuanMessage]:
        """Returns a subsidy from its public notice to the bank's returns, which add up to what was sent."""
        rng = self._rng
        project, least, most = rng.choice(places.FUND_PROJECTS)
        batch_no, region = f"SC{at:%Y%m%d}-{self._seed:04d}-{self._made:06d}", rng.choice(places.SICHUAN_ISSUERS)
        cards = [world.any_card("51", lambda card: bool(card.account)) for _ in range(row_count)]
        # Some are paid for the first time, and one is not paid yet.
        new = [*cards[: row_count // NEW_OF_ROWS], world.any_card("51")]
        rows, paid, returned = [], 0, 0
        for number, card in enumerate(cards, 1):
            fen = least + int(rng.random() * (most - least))
            result = rng.choice(RETURN_CODES) if rng.random() < RETURNED or not card.account else "00"
            paid, returned = (paid + fen, returned) if result == "00" else (paid, returned + fen)
            rows.append(_fund_row(card, number, fen, result, f"{batch_no}{number:06d}"))
        head = {"pch": batch_no, "xmdm": project, "ffqh": region}
        sum_ = {"zbs": str(row_count), "zje": yuan(paid + returned)}
        notice = {
            "nd": f"{at:%Y}", "qb": f"{at:%m}", "zjly": "省级", "ffdw": f"{region}01", "dlyh": "105",
            "gsqs": f"{at - timedelta(days=12):%Y%m%d}", "gszz": f"{at - timedelta(days=3):%Y%m%d}",
        }  # fmt: skip
        stages: tuple[tuple[str, timedelta, Line], ...] = (
            ("01", timedelta(days=12), notice | sum_), ("02", timedelta(days=2), {}), ("03", timedelta(hours=6), sum_),
        )  # fmt: skip

        def message(code: str, value: Line, moment: datetime, events: int) -> SichuanMessage:
            fields = head | {"fssj": f"{moment:%Y%m%d%H%M%S}", "ywlsh": f"SCZJ{batch_no}"} | value
            return self._message(code, fields, batch_no, at, events)

        period = {"nd": notice["nd"], "qb": notice["qb"]}
        since = {"ffqh": region, "xmdm": project, "qsrq": f"{at - timedelta(days=20):%Y%m%d}"}
        messages = [self._fact(ELIGIBLE, _who(card) | since, batch_no, at - timedelta(days=14)) for card in new]
        messages += [message("SBK4001", {"pczt": state} | extra, at - ago, 1) for state, ago, extra in stages]
        for part in _parts(rows, MAX_FUND_ROWS - 1):
            going = [{name: value for name, value in row.items() if name not in ("jg", "yhlsh")} for row in part]
            sent = message("SBK4001", period | {"pczt": "03", "mx": going}, at - timedelta(hours=6), len(part))
            messages.append(replace(sent, records=len(part)))
        for part in _parts(rows, MAX_FUND_ROWS):
            messages.append(replace(message("SBK4002", period | {"mx": part}, at, len(part)), records=len(part)))
        closed = {"pczt": "04", "yfje": yuan(paid), "tpje": yuan(returned)}
        return [*messages, message("SBK4001", closed, at, 1)]


def _who(card: Card) -> Line:
    return {"aab301": card.region, "aac002": card.holder.id_no, "aaz500": card.card_no}


def _parts(rows: Sequence[Line], most: int) -> Iterator[Sequence[Line]]:
    for first in range(0, len(rows), most):
        yield rows[first : first + most]


def _fund_row(card: Card, number: int, fen: int, result: str, bank_serial: str) -> Line:
    return {
        "aab301": card.region, "aac002": card.holder.id_no, "aac003": card.holder.name, "aaz500": card.card_no,
        "aaz501": card.ident_code, "xh": str(number), "je": yuan(fen), "jg": result, "aae010": card.account,
        "yhlsh": bank_serial,
    }  # fmt: skip
