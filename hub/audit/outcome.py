"""The outcome of an audit: what was asked, the answer, and all that a report shows of it. It goes through JSON and back without a change.

The same outcome gives the same bytes, and only those bytes are read as it. There are no fractions in it, which two machines could write in
two ways. There is no character in it that cannot be seen, such as one that turns the direction of what follows: a name from outside could
make a report say something else. No card number and no name is in it: cards by masked number or by the hub's key.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hub.audit.bundle_file import as_json as canonical
from hub.domain.errors import HubError
from hub.words.visible import UNSEEN

# An outcome is written in the first form that has all that is in it, so that what was written before is still written so.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "chuanyu-outcome/1": (),
    "chuanyu-outcome/2": ("about",),
    "chuanyu-outcome/3": ("about", "heading", "trends"),
}
_LATER: Mapping[str, Any] = {"about": [], "heading": None, "trends": []}
MOST_BYTES = 1 << 23
MOST_CHARACTERS = 2_000
MOST_COLUMNS, MOST_ROWS, MOST_OF_A_KIND, MOST_FACTS = 12, 1_000, 1_000, 10_000
MOST_DEPTH = 8
# The years 1900 and 10000: what is outside has no date to show.
FIRST_US, END_US = -2_208_988_800_000_000, 253_402_300_800_000_000

Reader = Callable[[Any, str], Any]


class OutcomeForeign(HubError):
    """这不是本版本的审计结果文件：请用写出它的版本打开 this version reads no such outcome of an audit; use the version that wrote it."""


class OutcomeMalformed(HubError):
    """审计结果文件已损坏或被改动：请从证据包重新取出 the outcome of an audit is damaged or altered; take it out of the bundle again. At:"""


class OutcomeTooLarge(HubError):
    """审计结果过大：请缩小所问的范围 the outcome of an audit is too large; ask for less. At:"""


class Text(NamedTuple):
    """One line of words, in Chinese and in English."""

    zh: str
    en: str


NOT_SHOWN = Text("不显示", "not shown")


class Line(NamedTuple):
    """A line about the question: what it says, such as the period, and that."""

    label: Text
    said: Text


class Moment(NamedTuple):
    """A line of the timeline: what the hub recorded when, and from when it is true; *position* is 0 where no event is meant."""

    recorded_us: int
    valid_us: int
    position: int
    said: Text


class Table(NamedTuple):
    """A table; each row has a cell for each column."""

    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[str | int | Text, ...], ...]


class Bars(NamedTuple):
    """A figure: labelled counts, None for one that may not be shown."""

    title: Text
    bars: tuple[tuple[Text, int | None], ...]


class Trend(NamedTuple):
    """A figure over time and what is aimed at: counts, or hundredths of a percent if it *is_share*; None for one that may not be shown."""

    title: Text
    is_share: bool
    points: tuple[tuple[Text, int | None], ...]
    goals: tuple[tuple[Text, int], ...] = ()


class Outcome(NamedTuple):
    """The outcome of one question.

    *answer* is one sentence. *holds* says whether what was compared is as it should be, None where nothing was. *recorded_as_of* is the
    position up to which the record was read, *recorded_us* the instant of that event, 0 if it is not said. *facts* is the result for
    machines: objects, lists, texts, integers, booleans and null. *about* says what was asked in dates and words, by whom and what for.
    *heading* names a report that is no audit's.
    """

    question: Text
    answer: Text
    holds: bool | None
    recorded_as_of: int
    facts: Mapping[str, Any]
    timeline: tuple[Moment, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Bars, ...] = ()
    verified: tuple[Text, ...] = ()
    limits: tuple[Text, ...] = ()
    recorded_us: int = 0
    about: tuple[Line, ...] = ()
    heading: Text | None = None
    trends: tuple[Trend, ...] = ()


def as_json(outcome: Outcome) -> bytes:
    """Returns the bytes of an outcome; raises OutcomeMalformed or OutcomeTooLarge for one that nobody would read."""
    data = _bytes(outcome)
    read(data)
    return data


def read(data: bytes) -> Outcome:
    """Returns the outcome that bytes say; raises OutcomeForeign, OutcomeMalformed, OutcomeTooLarge."""
    if len(data) > MOST_BYTES:
        raise OutcomeTooLarge("bytes")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise OutcomeForeign from None
    form = said.pop("format", None) if isinstance(said, dict) else None
    if not isinstance(form, str) or form not in FORMATS:
        raise OutcomeForeign
    for name in _LATER.keys() - FORMATS[form]:
        said.setdefault(name, _LATER[name])
    outcome: Outcome = _OUTCOME(said, "")
    # What was written in another way has another digest, or says a thing twice.
    if _bytes(outcome) != data:
        raise OutcomeMalformed("form")
    return outcome


def seen(text: str) -> str:
    """Returns a text from outside as one line of characters that can be seen."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _bytes(outcome: Outcome) -> bytes:
    try:
        plain = _plain(outcome)
        needed = {name for name in _LATER if plain[name]}
        form = next(form for form, fields in FORMATS.items() if needed <= set(fields))
        kept = {name: value for name, value in plain.items() if name not in _LATER or name in FORMATS[form]}
        return canonical({"format": form, **kept})
    except (TypeError, ValueError, RecursionError):
        raise OutcomeMalformed("facts") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _line(value: Any, at: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OutcomeMalformed(at)
    return _seen(value, at)


def _seen(value: str, at: str) -> str:
    if len(value) > MOST_CHARACTERS:
        raise OutcomeTooLarge(at)
    if any(unicodedata.category(character) in UNSEEN for character in value):
        raise OutcomeMalformed(at)
    return value


def _integer(least: int, end: int = 1 << 63) -> Reader:
    def read_integer(value: Any, at: str) -> int:
        if type(value) is not int or not least <= value < end:
            raise OutcomeMalformed(at)
        return value

    return read_integer


def _list_of(each: Reader, most: int = MOST_OF_A_KIND, least: int = 0) -> Reader:
    def read_list(value: Any, at: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise OutcomeMalformed(at)
        if len(value) > most:
            raise OutcomeTooLarge(at)
        return tuple(each(part, f"{at}[{number}]") for number, part in enumerate(value))

    return read_list


def _made_of(kind: type[Any], **fields: Reader) -> Reader:
    def read_object(value: Any, at: str) -> Any:
        if not isinstance(value, dict) or value.keys() != fields.keys():
            raise OutcomeMalformed(at or "fields")
        return kind(**{name: reader(value[name], f"{at}.{name}".lstrip(".")) for name, reader in fields.items()})

    return read_object


def _table(value: Any, at: str) -> Table:
    table: Table = _TABLE(value, at)
    for number, row in enumerate(table.rows):
        if len(row) != len(table.columns):
            raise OutcomeMalformed(f"{at}.rows[{number}]")
    return table


def _cell(value: Any, at: str) -> str | int | Text:
    if isinstance(value, str):
        return _seen(value, at)
    cell: int | Text = _TEXT(value, at) if isinstance(value, dict) else _ANY_INTEGER(value, at)
    return cell


def _labelled(count: Reader) -> Reader:
    def read_pair(value: Any, at: str) -> tuple[Text, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise OutcomeMalformed(at)
        return _TEXT(value[0], at), count(value[1], at)

    return read_pair


def _flag(value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise OutcomeMalformed(at)
    return value


def _or_none(each: Reader) -> Reader:
    return lambda value, at: None if value is None else each(value, at)


def _facts(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OutcomeMalformed(at)
    facts: dict[str, Any] = _fact(value, at, 0)
    return facts


def _fact(value: Any, at: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _seen(value, at)
    if not isinstance(value, (list, dict)):
        return _ANY_INTEGER(value, at)
    if depth == MOST_DEPTH or len(value) > MOST_FACTS:
        raise OutcomeTooLarge(at)
    if isinstance(value, list):
        return [_fact(part, at, depth + 1) for part in value]
    # A name may be a card's key, which no refusal may show.
    return {_line(name, at): _fact(part, at, depth + 1) for name, part in value.items()}


_COUNT, _ANY_INTEGER, _INSTANT = _integer(0), _integer(-(1 << 63)), _integer(FIRST_US, END_US)
_TEXT = _made_of(Text, zh=_line, en=_line)
_BARS = _list_of(_labelled(_or_none(_COUNT)))
_TABLE = _made_of(
    Table,
    title=_TEXT,
    columns=_list_of(_TEXT, MOST_COLUMNS, 1),
    rows=_list_of(_list_of(_cell, MOST_COLUMNS), MOST_ROWS),
)
_OUTCOME = _made_of(
    Outcome,
    question=_TEXT,
    answer=_TEXT,
    holds=_or_none(_flag),
    recorded_as_of=_COUNT,
    facts=_facts,
    timeline=_list_of(_made_of(Moment, recorded_us=_INSTANT, valid_us=_INSTANT, position=_COUNT, said=_TEXT)),
    tables=_list_of(_table),
    figures=_list_of(_made_of(Bars, title=_TEXT, bars=_BARS)),
    verified=_list_of(_TEXT),
    limits=_list_of(_TEXT),
    recorded_us=_INSTANT,
    about=_list_of(_made_of(Line, label=_TEXT, said=_TEXT)),
    heading=_or_none(_TEXT),
    trends=_list_of(_made_of(Trend, title=_TEXT, is_share=_flag, points=_BARS, goals=_list_of(_labelled(_COUNT)))),
)
