"""How a refusal reads on a page: what was refused and what to do, in the reader's language, and what of the input it is about."""

from typing import NamedTuple

from hub.audit.requests.things import THINGS
from hub.console.language import Words
from hub.domain.errors import HubError, RequestInvalid
from hub.domain.quarantine import meaning_of
from hub.words.refusals import CHINESE

_FIELDS = {
    "purpose": ("目的", "Purpose"),
    "legal_basis": ("法律依据", "Legal basis"),
    "clear": ("卡号", "Card number"),
    "value": ("参数的值", "Value of the parameter"),
    "agreement_code": ("约定", "Agreement"),
    "reason_code": ("原因", "Reason"),
    **{field.name: field.title for thing in THINGS.values() for field in thing.fields},
}


class Said(NamedTuple):
    """What is said of a refusal, and its detail, which may be empty."""

    said: str
    detail: str


def in_words(refusal: HubError, words: Words) -> Said:
    """Returns what a reader sees of a refusal."""
    zh = next((CHINESE[one.__name__] for one in type(refusal).__mro__ if one.__name__ in CHINESE), "")
    en = (type(refusal).__doc__ or "").strip().splitlines()[0]
    if isinstance(refusal, RequestInvalid):
        return Said(words.t(zh or en, en), "；".join(_broken(path, rule, words) for path, rule in refusal.violations))
    return Said(words.t(zh or en, en), str(refusal).removeprefix(en).strip())


def _broken(path: str, rule: str, words: Words) -> str:
    field, meaning = path.rpartition(".")[2], meaning_of(rule, path)
    return f"{words.of(_FIELDS, field)}{words.t('：', ': ')}{words.t(meaning.text_zh, meaning.text_en)}"
