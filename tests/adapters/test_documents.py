"""Documents that a card carries, in both native formats: each says the same in either, and what cannot be read is refused."""

import pytest
from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives, GetCardResponse
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing import standing as chongqing_standing
from adapters.chongqing.errors import MalformedCall, ReplyCode
from adapters.chongqing.pseudo_xml import NativeCall
from adapters.chongqing.translate_call import translate_call
from adapters.sichuan import standing as sichuan_standing
from adapters.sichuan.replies import OK, STATE_NOT_ALLOWED, ParameterInvalid
from adapters.sichuan.translate import translate
from tests.adapters.test_cases import CALL
from tests.adapters.test_sichuan import asked, sample

PERMIT = control.CARD_DOCUMENT_WORK_PERMIT
FOLDED_IN = control.DocumentFoldedIn(document=PERMIT, valid_from="2026-03-01", valid_to="2028-02-29")
WITHDRAWN = control.DocumentWithdrawn(document=PERMIT)
DAYS = {"zzqs": "20260301", "zzzz": "20280229"}
TERM = {"生效日期": "20260301", "截止日期": "20280229"}
CANCELLED = CardLives(social_status=SocialStatus.SOCIAL_STATUS_CANCELLED)
LOST = CardLives(social_status=SocialStatus.SOCIAL_STATUS_FORMALLY_LOST)


def sichuan(**fields: str) -> Event:
    (event,) = translate(asked("SBK1401"), sample("SBK1401-ecard-signed") | fields).events
    return event


def chongqing(operation: str, **fields: str) -> Event:
    ((_, event),) = translate_call(NativeCall({**CALL, "操作": operation, "所属区县": "500103", **fields}, ""))
    return event


def test_a_document_is_the_same_in_either_format() -> None:
    assert sichuan(dzzt="11", zzlb="02", **DAYS).document_folded_in == FOLDED_IN
    assert sichuan(dzzt="12", zzlb="02").document_withdrawn == WITHDRAWN
    assert chongqing("证照并入", 证照类别="外国人工作许可证", **TERM).document_folded_in == FOLDED_IN
    assert chongqing("证照注销", 证照类别="外国人工作许可证").document_withdrawn == WITHDRAWN


@pytest.mark.parametrize(("says", "field"), [("", "zzlb"), ("09", "zzlb"), ("", "zzqs"), ("2026-03-01", "zzqs"), ("202813", "zzzz")])
def test_what_sichuan_cannot_have_meant_is_refused_by_its_field(says: str, field: str) -> None:
    with pytest.raises(ParameterInvalid, match=field):
        sichuan(**{"dzzt": "11", "zzlb": "02", **DAYS, field: says})


@pytest.mark.parametrize(("says", "field"), [("", "证照类别"), ("驾驶证", "证照类别"), ("", "生效日期"), ("2028", "截止日期")])
def test_what_chongqing_cannot_have_meant_is_refused_by_its_field(says: str, field: str) -> None:
    with pytest.raises(MalformedCall, match=field):
        chongqing("证照并入", **{"证照类别": "残疾人证", **TERM, field: says})


def test_a_card_that_has_ended_carries_no_new_document_in_either_reply() -> None:
    folded, withdrawn = Event(document_folded_in=FOLDED_IN), Event(document_withdrawn=WITHDRAWN)
    replies = [
        sichuan_standing.reply_code([event], GetCardResponse(lives=lives))
        for event, lives in ((folded, LOST), (withdrawn, CANCELLED), (folded, CANCELLED))
    ]
    assert replies == [OK, OK, STATE_NOT_ALLOWED]
    calls = (("证照并入", LOST), ("证照注销", CANCELLED), ("证照并入", CANCELLED))
    codes = [chongqing_standing.judge(operation, lives).code for operation, lives in calls]
    assert codes == [ReplyCode.DONE, ReplyCode.DONE, ReplyCode.STATE_NOT_ALLOWED]
