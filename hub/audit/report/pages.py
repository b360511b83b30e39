"""The page of an outcome, for a browser and for the console: everything in it is escaped, and nothing is loaded from elsewhere."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hub.audit.outcome import Outcome
from hub.audit.report import trend
from hub.audit.report.shown import shown

_TEMPLATES = Path(__file__).parent / "templates"


def page(outcome: Outcome) -> bytes:
    """Returns the whole page as one file: without scripts, and without anything from elsewhere."""
    style = Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 (our own file)
    return _render("page.html", {"style": style, "body": body(outcome), "report": shown(outcome)}).encode()


def body(outcome: Outcome) -> Markup:
    """Returns what is in the page; the console shows it in its own frame."""
    report = shown(outcome)
    values = {"report": report, "timeline": Markup(timeline(report)), "trends": trends(outcome)}  # noqa: S704 (escaped there)
    return Markup(_render("body.html", values))  # noqa: S704 (escaped there)


def both_times(outcome: Outcome) -> Markup:
    """Returns the picture of both times, empty where there is no timeline."""
    return Markup(timeline(shown(outcome)) if outcome.timeline else "")  # noqa: S704 (escaped there)


def timeline(report: Mapping[str, Any]) -> str:
    """Returns the picture of both times as SVG."""
    return _render("timeline.svg", report)


def trends(outcome: Outcome) -> list[Markup]:
    """Returns the picture of each figure over time as SVG."""
    return [Markup(_render("trend.svg", trend.drawn(one))) for one in outcome.trends]  # noqa: S704 (escaped there)


def _render(template: str, values: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
