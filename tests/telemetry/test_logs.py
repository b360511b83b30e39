"""Logs: lines that machines read, files that are kept for six months and bounded, nobody who waits for them, no person in them."""

import gzip
import json
import logging
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.telemetry import names
from hub.telemetry.daily_log import FINISHED_AFTER_S, WAITING_LINES, DailyLog
from hub.telemetry.outage import Outage
from tests.clients import Province, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import journey, question

CARD, PERSON, MOBILE = "B31415926", "510199199003070012", "13800138000"
LARGE = 1 << 30


def kept(directory: Path, keep_days: int = 184, max_bytes: int = LARGE) -> DailyLog:
    """The access log of a directory, with lines that are JSON already."""
    return DailyLog("access", directory, keep_days, max_bytes, str)


def day_file(directory: Path, days_ago: int, text: str = '{"time": "2026-01-01T00:00:00.000000Z"}\n') -> Path:
    """A finished day's file."""
    file = directory / f"access-{datetime.now(UTC).date() - timedelta(days=days_ago)}.jsonl"
    file.write_text(text)
    long_ago_s = time.time() - FINISHED_AFTER_S - 1
    os.utime(file, (long_ago_s, long_ago_s))
    return file


def lines(directory: Path, log: str) -> list[dict[str, Any]]:
    """All lines of a kept log."""
    return list(DailyLog(log, directory, 184, LARGE, str).lines(datetime(2020, 1, 1, tzinfo=UTC)))


# Files


def test_a_finished_day_is_compressed_and_still_read(tmp_path: Path) -> None:
    file = day_file(tmp_path, 1)
    kept(tmp_path).tidy()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [f"{file.name}.gz"]
    assert lines(tmp_path, "access") == [{"time": "2026-01-01T00:00:00.000000Z"}]


def test_lines_that_come_after_a_day_was_compressed_are_added_to_it(tmp_path: Path) -> None:
    day_file(tmp_path, 1, "first\n")
    kept(tmp_path).tidy()
    file = day_file(tmp_path, 1, "second\n")
    kept(tmp_path).tidy()
    assert gzip.decompress(Path(f"{file}.gz").read_bytes()) == b"first\nsecond\n"


def test_a_day_that_was_written_to_a_moment_ago_is_left_alone(tmp_path: Path) -> None:
    file = day_file(tmp_path, 1)
    os.utime(file)
    kept(tmp_path).tidy()
    assert file.exists()


def test_days_are_kept_as_long_as_they_must_and_no_longer(tmp_path: Path) -> None:
    for days_ago in (183, 184, 185):
        day_file(tmp_path, days_ago)
    kept(tmp_path).tidy()
    today = datetime.now(UTC).date()
    assert [(today - day).days for day, _ in kept(tmp_path).files()] == [184, 183]


def test_beyond_its_size_a_log_loses_its_oldest_days_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for days_ago in (3, 2, 1, 0):
        day_file(tmp_path, days_ago, os.urandom(50).hex() + "\n")
    log = kept(tmp_path, max_bytes=300)
    log.tidy()
    today = datetime.now(UTC).date()
    assert [(today - day).days for day, _ in log.files()] == [1, 0]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_day_that_alone_is_too_large_takes_no_more_lines(tmp_path: Path) -> None:
    day_file(tmp_path, 0, "x" * 301)
    log, dropped = kept(tmp_path, max_bytes=300), names.LOG_LINES_DROPPED.values.get(("access",), 0)
    log.add("line")
    log.write()
    assert names.LOG_LINES_DROPPED.values[("access",)] == dropped + 1


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    log = kept(tmp_path / "logs")
    log.add("line")
    log.write()
    [(_, file)] = log.files()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_lines_beyond_what_may_wait_are_dropped_and_counted(tmp_path: Path) -> None:
    log, dropped = kept(tmp_path), names.LOG_LINES_DROPPED.values.get(("access",), 0)
    for _ in range(WAITING_LINES + 3):
        log.add("line")
    assert names.LOG_LINES_DROPPED.values[("access",)] == dropped + 3


def test_processes_that_write_to_one_file_do_not_mix_their_lines(tmp_path: Path) -> None:
    write = """if True:
        import sys, pathlib
        from hub.telemetry.daily_log import DailyLog
        log = DailyLog("access", pathlib.Path(sys.argv[1]), 184, 1 << 30, str)
        for group in range(200):
            for number in range(20):
                log.add(sys.argv[2] * 200)
            log.write()
    """
    writers = [subprocess.Popen([sys.executable, "-c", write, str(tmp_path), letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    [(_, file)] = kept(tmp_path).files()
    assert sorted(set(file.read_text().splitlines())) == ["a" * 200, "b" * 200]


# Lines on stderr

SPEAK = """if True:
    import logging, pathlib, sys
    from hub.telemetry import names
    from hub.telemetry.logs import set_up_logs
    set_up_logs("hub test", pathlib.Path(sys.argv[1]), 184, 1 << 30)
    log = logging.getLogger("spoken")
"""


def spoken(tmp_path: Path, code: str) -> list[dict[str, Any]]:
    """What a process says on stderr, parsed."""
    done = subprocess.run([sys.executable, "-c", SPEAK + code, str(tmp_path)], stderr=subprocess.PIPE, check=True, timeout=100)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_has_time_level_message_service_and_the_extra_fields(tmp_path: Path) -> None:
    [line] = spoken(tmp_path, '    log.info("feed %s", "sc.usage", extra={"trace_id": "ab", "span_id": "cd"})')
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line.pop("pid") > 0
    expected = {"level": "INFO", "logger": "spoken", "message": "feed sc.usage", "service": "hub test", "trace_id": "ab", "span_id": "cd"}
    assert line == expected


def test_one_kind_of_line_never_fills_the_log_and_the_next_one_says_how_many_were_left_out(tmp_path: Path) -> None:
    code = """
    import time
    from hub.telemetry import repeats
    repeats.EVERY_S = 0.2
    for number in range(2_000):
        log.error("refused %s", number, extra={"participant": "noisy"})
    time.sleep(0.3)
    log.error("refused %s", "after", extra={"participant": "noisy"})
    """
    lines = spoken(tmp_path, code)
    assert len(lines) < 40
    assert lines[-1]["message"] == "refused after"
    assert len(lines) + sum(line.get("left_out", 0) for line in lines) == 2_001


def test_the_lines_of_one_participant_do_not_silence_another(tmp_path: Path) -> None:
    code = """
    for number in range(2_000):
        log.error("refused", extra={"participant": "noisy"})
    log.error("refused", extra={"participant": "quiet"})
    """
    assert spoken(tmp_path, code)[-1]["participant"] == "quiet"


def test_an_exception_is_told_without_its_message(tmp_path: Path) -> None:
    code = f"""
    try:
        int("{PERSON}X")
    except ValueError:
        log.exception("failed")
    """
    [line] = spoken(tmp_path, code)
    assert line["error"] == "ValueError"
    assert PERSON not in json.dumps(line)


def test_what_ends_a_thread_is_told_without_its_message(tmp_path: Path) -> None:
    [line] = spoken(tmp_path, f'    import threading; threading.Thread(target=int, args=("{PERSON}X",), name="a thread").start()')
    assert (line["level"], line["error"], line["thread_name"]) == ("CRITICAL", "ValueError", "a thread")
    assert PERSON not in json.dumps(line)


def test_a_reader_that_does_not_read_holds_up_neither_the_process_nor_its_end(tmp_path: Path) -> None:
    code = """
    for number in range(30_000):
        log.info(f"line {number}")
    print(names.LOG_LINES_DROPPED.values[("process",)] > 0)
    """
    with subprocess.Popen([sys.executable, "-c", SPEAK + code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # Nobody ever reads: an end that waits for a reader does not come.
        assert process.wait(100) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b"True\n"


# What a hub logs


@pytest.fixture(scope="module")
def logged(server_dsn: str, shared_hub: RunningHub) -> Path:
    """The data directory of a hub that has heard of persons and cards, answered, refused and quarantined, and has stopped."""
    chongqing, sichuan = Province(shared_hub, CHONGQING), Province(shared_hub, SICHUAN)
    presented = journey(CARD)
    presented.ClearField("transit_journey_completed")
    presented.identity_presented.SetInParent()
    bad = journey(CARD)
    bad.service_region = PERSON
    chongqing.append("cq.usage", 1, journey(CARD), bad)
    refused(lambda: chongqing.append("cq.usage", 7, journey(CARD)))
    refused(lambda: chongqing.append("sc.usage", 1, journey(CARD)))
    refused(lambda: chongqing.append(CARD, 1, journey(CARD)))
    sichuan.cards.CheckAcceptance(question("q1", CARD), timeout=20)
    refused(lambda: sichuan.cards.CheckAcceptance(question("q1", "A00000001"), timeout=20))
    refused(lambda: Province(shared_hub, f"{CHONGQING}.stranger").append("cq.usage", 1, journey(CARD)))
    assert shared_hub.edges[0].stop() == 0
    return shared_hub.data_dir


def test_the_access_log_has_each_call_with_its_outcome_and_numbers(logged: Path) -> None:
    found = [
        (line["participant"], line["method"].rpartition("/")[2], line["code"], line["reason"]) for line in lines(logged / "logs", "access")
    ]
    assert found == [
        ("cq.card-center", "AppendEvents", "OK", ""),
        ("cq.card-center", "AppendEvents", "FAILED_PRECONDITION", "SEQUENCE_GAP"),
        ("cq.card-center", "AppendEvents", "PERMISSION_DENIED", "NOT_FEED_OWNER"),
        ("cq.card-center", "AppendEvents", "NOT_FOUND", "FEED_UNKNOWN"),
        ("sc.card-center", "CheckAcceptance", "OK", ""),
        ("sc.card-center", "CheckAcceptance", "ALREADY_EXISTS", "REQUEST_ID_REUSED"),
        ("cq.card-center.stranger", "AppendEvents", "PERMISSION_DENIED", "PARTICIPANT_UNKNOWN"),
    ]


def test_a_line_of_the_access_log_has_sizes_and_a_time(logged: Path) -> None:
    first = lines(logged / "logs", "access")[0]
    assert first["events"] == 2
    assert min(first["request_bytes"], first["response_bytes"]) > 10
    assert 0 < first["duration_s"] < 20
    assert len(first["trace_id"]) == 32


def test_the_security_log_has_who_may_not_and_which_command_ran(logged: Path) -> None:
    found = [(line["event"], line.get("participant"), line.get("reason")) for line in lines(logged / "logs", "security")]
    assert ("call.refused", "cq.card-center", "NOT_FEED_OWNER") in found
    assert ("call.refused", "cq.card-center.stranger", "PARTICIPANT_UNKNOWN") in found
    commands = [(line["event"], line["command"]) for line in lines(logged / "logs", "security") if line["event"].startswith("command")]
    assert ("command.begun", "serve --listen 127.0.0.1:0 --project") in commands
    assert ("command.ended", "serve --listen 127.0.0.1:0 --project") in commands


def test_no_log_names_a_person_or_a_card(logged: Path) -> None:
    text = "".join(file.read_text() for file in [*logged.glob("*.log"), *(logged / "logs").iterdir()])
    assert "AppendEvents" in text
    assert [identifier for identifier in (CARD, PERSON, "A00000001") if identifier in text] == []


def test_a_command_line_is_logged_without_identifiers(dsn: str, tmp_path: Path) -> None:
    run = "from hub.commands.database import database; from hub.config import Config\nwith database(Config()): pass"
    arguments = ["show", "--card", CARD, "--about", PERSON, "--mobile", MOBILE, "--as-of", "12345678", "--reason", "张三", "--title=x"]
    command = [sys.executable, "-c", run, *arguments]
    subprocess.run(command, env={**os.environ, "HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path)}, check=True)
    [begun, ended] = lines(tmp_path / "logs", "security")
    assert begun["command"] == ended["command"] == "show --card … --about … --mobile … --as-of 12345678 --reason … --title=…"
    assert begun["operator"] == ended["operator"] != ""


# Reading them


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--code", "PARTICIPANT_UNKNOWN"], ["cq.card-center.stranger"]),
        (["--participant", CHONGQING, "--code", "OK"], ["cq.card-center"]),
        (["--code", "OK", "--since", "2199-01-01"], []),
        (["--trace", "0" * 32], []),
    ],
)
def test_the_command_finds_lines(options: list[str], found: list[str], logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(logged))
    said = CliRunner().invoke(app, ["logs", "access", "--json", *options])
    assert [json.loads(line)["participant"] for line in said.stdout.splitlines()] == found


def read_logs(directory: Path, *options: str, log: str = "access") -> Result:
    """What `hub logs` finds in a data directory."""
    return CliRunner().invoke(app, ["logs", log, *options], env={"HUB_DATA_DIR": str(directory)})


def test_the_newest_lines_come_last_and_what_is_left_out_is_said(logged: Path) -> None:
    said = read_logs(logged, "--json", "--most", "2")
    assert [json.loads(line)["code"] for line in said.stdout.splitlines()] == ["ALREADY_EXISTS", "PERMISSION_DENIED"]
    assert "Only the newest 2 lines" in said.stderr
    assert read_logs(logged, "--most", "7").stderr == ""


def test_a_trace_is_found_by_its_first_digits(logged: Path) -> None:
    first = lines(logged / "logs", "access")[0]
    [line] = read_logs(logged, "--trace", first["trace_id"][:16].upper()).stdout.splitlines()
    assert line[26:32] == "+08:00"
    assert first["trace_id"] in line


def test_no_line_is_said(logged: Path) -> None:
    said = read_logs(logged, "--code", "NEVER")
    assert (said.exit_code, said.stdout, said.stderr) == (0, "", "没有符合的行 no such lines\n")


def test_an_instant_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(app, ["logs", "access", "--since", "yesterday"]).exit_code == 2


# What is away for a while


def test_an_outage_is_one_line_and_its_end_another_however_often_it_is_tried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(logging.getLogger("away"), "cards")
    for _ in range(75):
        outage.failed(ConnectionError())
    outage.over()
    outage.over()
    assert caplog.messages == ["cards: the database cannot be used; trying again", "cards: the database can be used again"]


def test_the_waits_between_tries_double_up_to_their_longest(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("away"), "cards")
    waits = []
    for _ in range(6):
        outage.failed("SQLSTATE 57P01")
        waits.append(outage.wait_s(0.5, 4.0))
    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_line_with_bytes_that_are_no_utf_8_is_written(tmp_path: Path) -> None:
    log = kept(tmp_path)
    log.add("hub show \udcff")
    log.write()
    (file,) = tmp_path.glob("access-*.jsonl")
    assert file.read_text(encoding="utf-8") == "hub show \\udcff\n"
