"""The reply codes of Sichuan's interface and the refusals that end in one: code, Chinese text, nothing else.

A refusal is a value for the caller's program as much as a fault: it is caught once, in the gateway, and becomes the
`code` and `msg` of a signed reply. Texts name fields and never repeat their values, which may identify a person.
"""

OK = "0000"
CARD_NOT_FOUND = "2001"
STATE_NOT_ALLOWED = "2002"
ALREADY_IN_STATE = "2003"
SYSTEM = "9999"

TEXTS = {
    OK: "成功",
    CARD_NOT_FOUND: "卡不存在",
    STATE_NOT_ALLOWED: "卡状态不允许",
    ALREADY_IN_STATE: "卡已处于该状态",
}


class Refusal(Exception):
    """A request that is answered with an error code and leaves nothing behind."""

    code: str
    text: str

    def __init__(self, detail: str) -> None:
        """Keeps *detail*, the part after the fixed text of the code."""
        super().__init__(f"{self.text}：{detail}")


class SignatureInvalid(Refusal):
    """The request was not signed by the province's key over exactly these fields."""

    code, text = "1001", "签名错误"


class Undecipherable(Refusal):
    """The data cannot be decrypted with the agreed key into a JSON object or array."""

    code, text = "1002", "解密失败"


class MessageRepeated(Refusal):
    """The timestamp is too far from now, or the message number has been used before."""

    code, text = "1003", "重复报文"


class ParameterInvalid(Refusal):
    """A field is missing or malformed, or asks for what is not offered."""

    code, text = "3001", "参数错误"


class TotalsRefused(Refusal):
    """The totals of a day cannot be taken now: their version does not follow, or the day is stated."""

    code, text = "2002", "总数不能接受"
