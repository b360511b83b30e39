"""How a refusal reads on a terminal: one line in Chinese with English beside, and the names of the rules in brackets."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hub.api.edge.statuses import CODES
from hub.commands.options import OPERATOR_OPTION
from hub.domain.errors import HubError, RequestInvalid
from hub.domain.participant import OPERATOR_METADATA
from hub.domain.quarantine import meaning_of
from hub.words.refusals import CHINESE

_NO_IDENTIFIER = "像是卡号、证号、手机号或账号，不得入账 it looks like a number of a card or a person, which must not be recorded"
# Of calls that gRPC itself refused, or that say no more than their code.
_CODES = {"UNAVAILABLE": "枢纽不可达或暂不能答复", "DEADLINE_EXCEEDED": "未在时限内答复", "UNAUTHENTICATED": "证书未被接受"}


def in_words(error: HubError) -> str:
    """Returns what an operator reads of a refusal."""
    if isinstance(error, RequestInvalid):
        return "；".join(f"{_named(path)}: {_rule(path, rule)} ({rule})" for path, rule in error.violations)
    return _beside(_chinese(type(error)), str(error))


def call_in_words(refusal: grpc.RpcError) -> str:
    """Returns what an operator reads of a call that the hub, or the way to it, refused."""
    said, code = "", refusal.code().name
    status = rpc_status.from_call(refusal)
    for detail in status.details if status is not None else ():
        info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(request):
            return f"{code}: " + in_words(RequestInvalid([(broken.field, broken.reason) for broken in request.field_violations]))
        if detail.Unpack(info):
            said = next((_chinese(kind) for kind, (_, reason) in CODES.items() if reason == info.reason), "")
    return f"{code}: {_beside(said or _CODES.get(code, '枢纽拒绝'), refusal.details() or '')}"


def _beside(chinese: str, message: str) -> str:
    """Puts the Chinese before a message that does not begin with its own."""
    return message if "\u4e00" <= message[:1] <= "\u9fff" else f"{chinese} {message}".strip()


def _named(path: str) -> str:
    """Returns what somebody at a terminal calls a field."""
    return OPERATOR_OPTION if path == OPERATOR_METADATA else path


def _chinese(kind: type[HubError]) -> str:
    return next((CHINESE[one.__name__] for one in kind.__mro__ if one.__name__ in CHINESE), "")


def _rule(path: str, rule: str) -> str:
    if rule == "no_identifier":
        return _NO_IDENTIFIER
    meaning = meaning_of(rule, "operator" if path in (OPERATOR_METADATA, OPERATOR_OPTION) else path)
    return f"{meaning.text_zh} {meaning.text_en}"
