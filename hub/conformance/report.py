"""What came of the trials, as JSON, JUnit XML and one HTML page that needs no network: the expected exchange beside the seen one."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hub.conformance.kit import Verdict
from hub.conformance.trials import LEVEL_NAMES, LEVELS, all_trials, level_of


def as_json(verdicts: Sequence[Verdict], target: str) -> dict[str, Any]:
    """Returns the outcome for programs; *is_whole* says whether every trial was tried: else there may be a higher level than this."""
    tried = {verdict.trial.id for verdict in verdicts}
    passed = tried - {verdict.trial.id for verdict in verdicts if not verdict.passed}
    return {
        "target": target,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "level": level_of(passed),
        "is_whole": tried == {trial.id for trial in all_trials()},
        "passed": len([verdict for verdict in verdicts if verdict.passed]),
        "failed": len([verdict for verdict in verdicts if not verdict.passed]),
        "trials": [
            {
                "id": one.trial.id,
                "level": one.trial.level,
                "group": one.trial.group,
                "title_zh": one.trial.title_zh,
                "title_en": one.trial.title_en,
                "passed": one.passed,
                "problems": one.problems,
                "expected": one.trial.expected,
                "seen": one.lines,
                "seconds": one.seconds,
            }
            for one in verdicts
        ],
    }


def as_junit(verdicts: Sequence[Verdict]) -> bytes:
    """Returns the outcome as JUnit XML: a suite a level."""
    suites = Xml.Element("testsuites", name="chuanyu conformance")
    for level in LEVELS:
        of_level = [verdict for verdict in verdicts if verdict.trial.level == level]
        failed = sum(not verdict.passed for verdict in of_level)
        suite = Xml.SubElement(suites, "testsuite", name=level, tests=str(len(of_level)), failures=str(failed))
        for one in of_level:
            name = f"{one.trial.id} {one.trial.title_en}"
            found = Xml.SubElement(suite, "testcase", classname=f"{level}.{one.trial.group}", name=name, time=str(one.seconds))
            if not one.passed:
                failure = Xml.SubElement(found, "failure", message=_storable(one.problems[0]))
                failure.text = _storable("\n".join([*one.problems, "expected:", *one.trial.expected, "seen:", *one.lines]))
    return bytes(Xml.tostring(suites, encoding="utf-8", xml_declaration=True))


def _storable(text: str) -> str:
    """Returns a text without the characters that XML has no place for: a client's own words may have them."""
    return "".join(
        one if one in "\n\t" or (one >= " " and not "\ud800" <= one <= "\udfff" and one not in "\ufffe\uffff") else "�" for one in text
    )


def as_html(outcome: dict[str, Any]) -> str:
    """Returns the outcome as one page."""
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return templates.get_template("report.html").render(**outcome, level_name=LEVEL_NAMES[outcome["level"]])


def write_reports(verdicts: Sequence[Verdict], outcome: dict[str, Any], folder: Path) -> list[Path]:
    """Writes all three into a folder and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "report.json": json.dumps(outcome, ensure_ascii=False, indent=1).encode(),
        "report.xml": as_junit(verdicts),
        "report.html": as_html(outcome).encode(),
    }
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in written]
