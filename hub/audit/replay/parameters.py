"""Another value of a policy parameter: written into a copy of policy.csv on all days, in one province or in both.

A value has the form of those that the table has; what the rules could not read, or would silently take for another one, is refused.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import date, time
from pathlib import Path

from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.outcome import Text
from hub.audit.replay.change_words import Change, parameter_name
from hub.audit.replay.names import instead_of
from hub.domain.audit_errors import AuditChangeUnfit, AuditNameUnknown
from hub.words.names import PROVINCES

_MOST_NUMBER = 999_999_999
# No rule reckons with more: what ends in such a unit is added to a day of the calendar.
_MOST_OF_UNIT = {"Years": 100, "Days": 36_500, "Hours": 36_500 * 24}
# A word that rules know and no row of today has.
_FURTHER_WORDS = {"ecardWhileTempLost": ("UNUSABLE",)}


class ParameterUnknown(AuditNameUnknown):
    """没有这个参数；policy.csv 列出参数 there is no such parameter; policy.csv lists them:"""


class ParameterValueUnfit(AuditChangeUnfit):
    """参数不能取这个值 the parameter does not have such values:"""


class PolicyForeign(AuditChangeUnfit):
    """所附规则没有可读的 policy.csv，不能改参数 the rules attached have no policy.csv that can be read; change no parameter of them."""


def set_parameter(policy: Path, change: asked.ParameterChange) -> Change:
    """Gives a parameter its value and says what it was; raises ParameterUnknown, ParameterValueUnfit or PolicyForeign."""
    try:
        lines = policy.read_text(encoding="utf-8").splitlines()
        notes = [line for line in lines if line.startswith("#")]
        header, *rows = csv.reader(line for line in lines if line.strip() and not line.startswith("#"))
        name, province, value = header.index("parameter"), header.index("province"), header.index("value")
        own = [row for row in rows if row[name] == change.name]
        known = {row[name] for row in rows}
    except (OSError, ValueError, IndexError):
        raise PolicyForeign from None
    if not own:
        raise ParameterUnknown(instead_of(change.name, known))
    set_now = [row for row in own if change.province in ("", row[province])]
    if not set_now:
        others = sorted({row[province] for row in own})
        raise ParameterUnknown(f"{change.province}:{change.name}；只有 it is there for {', '.join(others)} alone")
    _check_value(change, [row[value] for row in own])
    before = sorted({(row[province], row[value]) for row in set_now})
    for row in set_now:
        row[value] = change.value
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header, *rows])
    policy.write_text("\n".join(notes) + "\n" + written.getvalue(), encoding="utf-8")
    return _change(change, before)


def _change(change: asked.ParameterChange, before: list[tuple[str, str]]) -> Change:
    what, provinces = parameter_name(change.name), sorted({province for province, _ in before})
    names = [PROVINCES.get(province, (province, province)) for province in provinces]
    where = Text("、".join(name[0] for name in names), " and ".join(name[1] for name in names))
    values = {value or "?" for _, value in before}
    # One value is said once; several, each with its province.
    each = [values.pop()] if len(values) == 1 else [f"{province}: {value or '?'}" for province, value in before]
    return Change(Text(f"{where.zh}的{what.zh}", f"{what.en} in {where.en}"), Text(*2 * (", ".join(each),)), Text(*2 * (change.value,)))


def _check_value(change: asked.ParameterChange, values: Iterable[str]) -> None:
    """Raises ParameterValueUnfit unless a value is one like those of its parameter; an empty one, which is not known, has no form."""
    known = [value for value in values if value]
    forms = {form for value in known if (form := _form_of(value, change.name))}
    words = {*known, *_FURTHER_WORDS.get(change.name, ())}
    if not (_form_of(change.value, change.name) in forms if forms else change.value in words):
        raise ParameterValueUnfit(f"{change.name}；应为 it is {', '.join(sorted(forms or words))}")


def _form_of(value: str, name: str) -> str:
    """Returns the form of a value in words, empty where it has none of these."""
    if value in ("true", "false"):
        return "true / false"
    if re.fullmatch("[0-9]{1,9}", value):
        most = next((most for unit, most in _MOST_OF_UNIT.items() if name.endswith(unit)), _MOST_NUMBER)
        return f"整数 a whole number 0–{most:,}" if int(value) <= most else ""
    for form, pattern, read in _TIMES:
        if re.fullmatch(pattern, value) and _reads(read, value):
            return form
    return ""


def _reads(read: Callable[[str], object], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


_TIMES: tuple[tuple[str, str, Callable[[str], object]], ...] = (
    ("HH:MM", "[0-9]{2}:[0-9]{2}", time.fromisoformat),
    ("MM-DD", "[0-9]{2}-[0-9]{2}", lambda text: date.fromisoformat(f"2000-{text}")),
)
