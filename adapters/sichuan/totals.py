"""The daily reconciliation of Sichuan's interface (SBK9001): the day's totals in, how the hub's book differs out.

Names beyond those of the format, as its makers would abbreviate: `ywrq` business day, `bbh` version, `czr` who reports, `mx` the cells:
`fkd` issuing province, `yyqh` region, `yydm` scenario, `bs` uses, `je` yuan, `czbs` reversals, `hxzs` hash total. The reply has `zt` 01
compared, 02 waiting for a feed; `cybs`, `cyje` what the hub has more, in all and in `mx` for each cell that differs. A day
without a use has no `mx`.
"""

from collections.abc import Mapping

import grpc
from chuanyu.exchange.v1.reconciliation_pb2 import ControlTotal, FeedReach
from chuanyu.exchange.v1.reconciliation_service_pb2 import Comparison, ComparisonState, SubmitControlTotalsRequest

from adapters.kit import FeedSender, HubConnection, HubUnreachable, answering
from adapters.kit import Refusal as HubRefusal
from adapters.kit.totals import reached
from adapters.sichuan.fields import Fields
from adapters.sichuan.replies import OK, SYSTEM, TEXTS, ParameterInvalid, TotalsRefused

MAX_CELLS = 20_000
_MAX_HASH = 1 << 64


async def reconcile(connection: HubConnection, senders: Mapping[str, FeedSender], native: Fields) -> tuple[str, str, object]:
    """Reports the totals to the hub and returns the reply; raises ParameterInvalid or TotalsRefused."""
    request = totals_request(native, await reached(senders))
    try:
        answer = await connection.submit_totals(request, answering.HUB_PATIENCE_S)
    except HubUnreachable:
        return SYSTEM, "交换枢纽暂不可达", None
    except HubRefusal as refusal:
        if refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
            raise ParameterInvalid(f"枢纽不接受（{refusal.reason}）") from refusal
        if refusal.code is grpc.StatusCode.FAILED_PRECONDITION:
            raise TotalsRefused(refusal.reason) from refusal
        return SYSTEM, f"交换枢纽未予答复（{refusal}）", None
    return OK, TEXTS[OK], totals_reply(answer.comparison)


def totals_request(native: Fields, numbered: Mapping[str, int]) -> SubmitControlTotalsRequest:
    """Returns the totals in the hub's words; *numbered* says how far each feed was numbered when they came. Raises ParameterInvalid."""
    version = native.count("bbh")
    if not version:
        raise native.fault("bbh")
    if not native.day("ywrq"):
        raise native.fault("ywrq")
    cells = [_total(row) for row in native.rows("mx", MAX_CELLS)] if native.has("mx") else []
    through = [FeedReach(feed=feed, sequence=number) for feed, number in sorted(numbered.items()) if number]
    return SubmitControlTotalsRequest(
        business_day=native.day("ywrq"), version=version, totals=cells, through=through, person=native.required("czr")
    )


def _total(row: Fields) -> ControlTotal:
    total = ControlTotal(
        issuer_province=row.required("fkd"), service_region=row.required("yyqh"), scenario=row.text("yydm"),
        uses=row.count("bs"), amount_fen=row.fen("je", required=True),
    )  # fmt: skip
    if row.text("czbs"):
        total.reversals = row.count("czbs")
    if row.text("hxzs"):
        hashed = row.count("hxzs", digits=20)
        if hashed >= _MAX_HASH:
            raise row.fault("hxzs")
        total.hash_total = hashed
    return total


def totals_reply(found: Comparison) -> dict[str, object]:
    """Returns the data of the reply; numbers are strings here, as everywhere in this interface."""
    state = "01" if found.state == ComparisonState.COMPARISON_STATE_COMPARED else "02"
    cells = [
        {
            "fkd": one.issuer_province, "yyqh": one.service_region, "yydm": one.scenario,
            "cybs": str(one.ours_now.uses - one.theirs.uses), "cyje": _yuan(one.ours_now.amount_fen - one.theirs.amount_fen),
        }
        for one in found.cells
    ]  # fmt: skip
    difference = {"cybs": str(found.difference.uses), "cyje": _yuan(found.difference.amount_fen)} if state == "01" else {}
    return {"zt": state, "wz": str(found.as_of_position), **difference, "mx": cells}


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"
