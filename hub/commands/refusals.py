"""How a refusal reads on a terminal: one line in words, with the names of rules behind them for who looks them up."""

from hub.domain.errors import HubError, RequestInvalid
from hub.domain.quarantine import meaning_of

_LOGIN = "A-Z a-z 0-9 . _ @ -，1 至 64 个字符 1 to 64 characters"
_CODE = "大写代码，如 KEY_LOST，至多 64 个字符 a code in capitals such as KEY_LOST, at most 64 characters"
_NO_IDENTIFIER = "像是卡号、证号、手机号或账号，不得入账 it looks like a number of a card or a person, which must not be recorded"
_WORDS = {
    ("operator", "string.pattern"): _LOGIN,
    ("reason_code", "string.pattern"): _CODE,
    ("side", "string.in"): "50 或 51 either 50 or 51",
}


def in_words(error: HubError) -> str:
    """Returns what an operator reads of a refusal."""
    if not isinstance(error, RequestInvalid):
        return str(error)
    return "；".join(f"{path}: {_rule(path, rule)} ({rule})" for path, rule in error.violations)


def _rule(path: str, rule: str) -> str:
    if rule == "no_identifier":
        return _NO_IDENTIFIER
    meaning = meaning_of(rule)
    return _WORDS.get((path, rule), f"{meaning.text_zh} {meaning.text_en}")
