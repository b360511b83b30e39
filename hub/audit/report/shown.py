"""What a report shows of an outcome, as plain values for both templates: texts, numbers as they are written, places of what is drawn."""

import hashlib
from typing import Any

from hub.audit.outcome import NOT_SHOWN, Bars, Moment, Outcome, Table, Text, as_json
from hub.audit.report import trend
from hub.audit.report.timeline import drawn
from hub.domain.instants import LOCAL, MINUTE_US, instant

_VERDICTS = {
    True: ("yes", Text("核对无异常", "checked: as it should be")),
    False: ("no", Text("核对有异常", "checked: something is wrong")),
    None: ("plain", Text("结果", "Result")),
}
_HEADING = Text("审计报告", "audit report")
_UNITS = ((24 * 60, Text("天", "days")), (60, Text("小时", "hours")), (1, Text("分钟", "minutes")))


def shown(outcome: Outcome) -> dict[str, Any]:
    """Returns all that a report has; the same outcome gives the same."""
    kind, verdict = _VERDICTS[outcome.holds]
    return {
        "heading": _text(outcome.heading or _HEADING),
        "question": _text(outcome.question),
        "answer": _text(outcome.answer),
        "verdict": {"kind": kind, **_text(verdict)},
        "about": [{"label": _text(line.label), "said": _text(line.said)} for line in outcome.about],
        "read_to": f"{outcome.recorded_as_of:,}",
        "read_at": " ".join(_dated(outcome.recorded_us)) if outcome.recorded_us else "",
        "drawn": drawn(outcome.timeline, _dated),
        "moments": [_moment(number, moment) for number, moment in enumerate(outcome.timeline, 1)],
        "tables": [_table(table) for table in outcome.tables],
        "figures": [_figure(figure) for figure in outcome.figures],
        "trends": [{"title": _text(one.title), "said": trend.said(one)} for one in outcome.trends],
        "verified": [_text(text) for text in outcome.verified],
        "limits": [_text(text) for text in outcome.limits],
        "digest": hashlib.sha256(as_json(outcome)).hexdigest(),
    }


def _text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _dated(at_us: int) -> tuple[str, str]:
    local = instant(at_us).astimezone(LOCAL)
    return local.strftime("%Y-%m-%d"), local.strftime("%H:%M:%S")


def _moment(number: int, moment: Moment) -> dict[str, Any]:
    return {
        "number": number,
        "valid": " ".join(_dated(moment.valid_us)),
        "recorded": " ".join(_dated(moment.recorded_us)),
        "late": _late(moment.recorded_us - moment.valid_us),
        "position": f"{moment.position:,}" if moment.position else "",
        "said": _text(moment.said),
    }


def _late(after_us: int) -> dict[str, str] | None:
    """Returns how long after it was true the hub knew it, None where that was within a minute or before."""
    minutes = after_us // MINUTE_US
    if minutes < 1:
        return None
    size, unit = next((size, unit) for size, unit in _UNITS if minutes >= size)
    count = minutes // size
    return {"zh": f"迟 {count:,} {unit.zh}", "en": f"{count:,} {unit.en if count > 1 else unit.en[:-1]} late"}


def _table(table: Table) -> dict[str, Any]:
    numbers = [bool(table.rows) and all(isinstance(row[at], int) for row in table.rows) for at in range(len(table.columns))]
    return {
        "title": _text(table.title),
        "columns": [{**_text(column), "is_number": is_number} for column, is_number in zip(table.columns, numbers, strict=True)],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
    }


def _cell(cell: str | int | Text) -> dict[str, str]:
    if isinstance(cell, Text):
        return _text(cell)
    return {"zh": f"{cell:,}" if isinstance(cell, int) else cell, "en": ""}


def _figure(figure: Bars) -> dict[str, Any]:
    most = max((count for _, count in figure.bars if count), default=0)
    bars = [
        {
            "label": _text(label),
            "count": _text(NOT_SHOWN) if count is None else {"zh": f"{count:,}", "en": ""},
            # In thousandths of the longest; what is there at all can be seen.
            "length": max(4, count * 1_000 // most) if count else 0,
            "is_shown": count is not None,
        }
        for label, count in figure.bars
    ]
    return {"title": _text(figure.title), "bars": bars}
