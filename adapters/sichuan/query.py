"""The card query of Sichuan's interface (SBK1001): asks the hub, answers in the ministry's codes.

Of its own card Sichuan gets the lives; of Chongqing's only, scenario by scenario, whether it may be used here, because
the hub answers and does not copy. Status codes: kzt 银行账户 NONE 0 … CLOSED 8, jtzt 交通钱包 ABSENT 0 … CLOSED 6, mmzt
密码, dzzt 电子社保卡, each the hub's number less one; aaz502 is empty before a card is personalised.
"""

from datetime import UTC

from chuanyu.exchange.v1.acceptance_pb2 import AcceptanceOutcome, Medium
from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives, GetCardRequest, GetCardResponse
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.kit.values import LOCAL
from adapters.sichuan.fields import Fields
from adapters.sichuan.subjects import MEDIA, card_refs

AAZ502 = {
    SocialStatus.SOCIAL_STATUS_SEALED: "0",
    SocialStatus.SOCIAL_STATUS_ACTIVE: "1",
    SocialStatus.SOCIAL_STATUS_FORMALLY_LOST: "2",
    SocialStatus.SOCIAL_STATUS_APP_LOCKED: "3",
    SocialStatus.SOCIAL_STATUS_TEMP_LOST: "4",
    SocialStatus.SOCIAL_STATUS_CANCELLED: "9",
}
OUTCOMES = {
    AcceptanceOutcome.ACCEPTANCE_OUTCOME_ACCEPT: "00",
    AcceptanceOutcome.ACCEPTANCE_OUTCOME_ACCEPT_NO_CONCESSION: "01",
    AcceptanceOutcome.ACCEPTANCE_OUTCOME_STEP_UP: "02",
    AcceptanceOutcome.ACCEPTANCE_OUTCOME_REFER_ISSUER: "03",
    AcceptanceOutcome.ACCEPTANCE_OUTCOME_DENY: "04",
}


def query_request(native: Fields) -> GetCardRequest:
    """Returns the question in the hub's words; raises ParameterInvalid."""
    cards = card_refs(native)
    if not cards:
        raise native.fault("aaz500")
    return GetCardRequest(
        card=cards[0],
        purpose_code="SBK1001",
        service_region=native.text("yyqh"),
        medium=native.code("jz", MEDIA, Medium.MEDIUM_UNSPECIFIED),
    )


def query_reply(card: GetCardResponse) -> dict[str, object]:
    """Returns the data of the reply; numbers are strings here, as everywhere in this interface."""
    reply: dict[str, object] = {"wz": str(card.as_of_position), "cxsj": _local(card.valid_at)}
    if card.HasField("lives"):
        return reply | _lives(card.lives)
    uses = [{"yydm": row.scenario, "jg": OUTCOMES.get(row.outcome, ""), "yy": ",".join(row.reason_codes)} for row in card.usability]
    return reply | {"mx": uses}


def _lives(lives: CardLives) -> dict[str, object]:
    return {
        "aaz502": AAZ502.get(lives.social_status, ""),
        "yxqz": _local(lives.social_status_until) if lives.HasField("social_status_until") else "",
        "kzt": _less_one(lives.bank_account_status),
        "jtzt": _less_one(lives.transit_purse_status),
        "mmzt": _less_one(lives.pin_status),
        "dzzt": _less_one(lives.ecard_status),
        "bksq": "1" if lives.reissue_pending else "0",
        "hksq": "1" if lives.replacement_pending else "0",
        "kyxq": lives.expires_on.replace("-", ""),
    }


def _less_one(status: int) -> str:
    return str(status - 1) if status else ""


def _local(instant: Timestamp) -> str:
    return instant.ToDatetime(UTC).astimezone(LOCAL).strftime("%Y%m%d%H%M%S")
