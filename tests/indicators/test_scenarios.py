"""The traps of the indicators, one file each, as an expert would say them: what was reported, and what each figure is."""

import contextlib
import os
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.json_format import ParseDict

from hub.indicators.asking import Question, ask
from hub.indicators.record import Known
from hub.indicators.tables import ALL, IN
from hub.projections.engine import advance
from hub.projections.views.daily_usage import DAILY_USAGE
from tests.databases import fresh_database
from tests.recording import Recording, about, key_of, name_card

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))


def event_of(told: dict[str, Any]) -> event_pb2.Event:
    at_s = int(datetime.fromisoformat(f"{told['on']}T{told['at']}:00+08:00").timestamp())
    event = about(told["card"], at_s, told["province"]) if "card" in told else event_pb2.Event()
    event.occurred_at.seconds = at_s
    if "person" in told:
        event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(told["person"])
    event.service_region, event.scenario = told.get("region", ""), told.get("scenario", "")
    message = getattr(event, told["event"])
    ParseDict(told.get("says", {}), message)
    message.SetInParent()
    for field, named in (("corrected_person", "corrected_holder"), ("relative", "relative")):
        if field in told:
            person = getattr(message, named)
            person.id_type, person.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(told[field])
    if "successor" in told:
        name_card(message.successor, told["successor"], told["province"])
    return event


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def scenario(request: pytest.FixtureRequest, server_dsn: str) -> Iterator[tuple[dict[str, Any], psycopg.Connection, dict[str, int]]]:
    """A scenario, a session over what was reported, and how much of it was known early and in all."""
    said = tomllib.loads(request.param.read_text(encoding="utf-8"))
    name = f"hub_indicator_{os.getpid()}_{FILES.index(request.param)}"
    with fresh_database(server_dsn, name) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        with contextlib.closing(Recording(dsn)) as journal:
            parts = [[one for one in said["given"] if one.get("late", False) is late] for late in (False, True)]
            early = journal.append(*map(event_of, parts[0]))[-1]
            known = {"EARLY": early, "ALL": journal.append(*map(event_of, parts[1]))[-1] if parts[1] else early}
        # Uses are read from their counts, all else from the events.
        while any(then["indicator"] == "K3" for then in said["then"]) and advance(connection, DAILY_USAGE):
            pass
        yield said, connection, known


def test_a_trap_is_counted_as_it_is_said(scenario: tuple[dict[str, Any], psycopg.Connection, dict[str, int]]) -> None:
    said, connection, known = scenario
    assert said["zh"]
    assert said["en"]
    for then in said["then"]:
        position = known[then.get("known", "ALL")]
        question = Question(then["indicator"], date.fromisoformat(then["as_of"]), position, then.get("by", ""))
        answer = ask(Known(connection, position), question)
        figures = answer.report.figures
        cells = {cell: [figures[cell, part] for part in (IN, ALL) if (cell, part) in figures] for cell, part in figures if part == ALL}
        assert cells == then["figures"], then
        # What is beside may be hidden; here it is asked for what it is.
        assert {name: value for name, value in answer.beside.items() if name in then.get("beside", {})} == {
            name: None if 0 < value < 5 else value for name, value in then.get("beside", {}).items()
        }
