"""The PDF of an outcome: for archives and for screen readers, without a signature and without the day it was made.

The same outcome gives the same bytes on every machine that has the same fonts.
"""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typst

from hub.audit.bundle_file import as_json as canonical
from hub.audit.outcome import Outcome, as_json
from hub.audit.report import fonts
from hub.audit.report.pages import timeline, trends
from hub.audit.report.shown import shown
from hub.domain.instants import SECOND_US

TEMPLATES = Path(__file__).parent / "templates"
FORMAT = "chuanyu-report/1"


def made_with(folder: Path = fonts.FOLDER) -> dict[str, Any]:
    """Returns what the bytes of a report depend on besides its outcome; raises FontsMissing."""
    return {
        "format": FORMAT,
        "fonts": [font._asdict() for font in fonts.found(folder)],
        "template": _template(),
        "typst": version("typst"),
    }


def render(outcome: Outcome, folder: Path = fonts.FOLDER) -> bytes:
    """Returns the unsigned PDF; raises FontsMissing."""
    inputs = _inputs(outcome, folder)
    with fonts.opened(folder) as faces:
        return typst.compile(
            TEMPLATES / "report.typ", root=TEMPLATES, font_paths=faces, ignore_system_fonts=True, sys_inputs=inputs,
            pdf_standards=["a-3a", "ua-1"], timestamp=_dated(outcome),
        )  # fmt: skip


def _inputs(outcome: Outcome, folder: Path) -> dict[str, str]:
    """Returns what the template reads: data, never markup."""
    report = shown(outcome)
    return {
        "report": json.dumps(report, ensure_ascii=False),
        "made": canonical(made_with(folder)).decode(),
        "outcome": as_json(outcome).decode(),
        "timeline": timeline(report),
        "trends": json.dumps(trends(outcome), ensure_ascii=False),
    }


def _dated(outcome: Outcome) -> int:
    """Returns the second that the file says it is of: when the last event was recorded that it rests on, never when it was made."""
    last_us = max([outcome.recorded_us, *(moment.recorded_us for moment in outcome.timeline)])
    return max(0, last_us // SECOND_US)


@cache
def _template() -> str:
    """Returns one digest of all that shapes a page."""
    parts = [(TEMPLATES / name).read_bytes() for name in ("report.typ", "timeline.svg", "trend.svg")]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
