"""`province-adapter load` on a real hub: every line once, from where the feed is, with what was quarantined and why."""

import json
import re
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import event_pb2
from google.protobuf import json_format
from typer.testing import CliRunner, Result

from adapters.cli import app
from adapters.kit.kept import Kept
from adapters.kit.proofs import check
from adapters.load import event_file
from adapters.load.event_file import EventFile, FileUnreadable, LineUnreadable
from tests.clients import Province, add_feed, of_feed
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import registered


def written(path: Path, *events: event_pb2.Event) -> Path:
    path.write_text("".join(json_format.MessageToJson(event, indent=None) + "\n" for event in events), encoding="utf-8")
    return path


def stock(count: int, first: int = 0) -> list[event_pb2.Event]:
    return [registered(f"L{number:08d}") for number in range(first, first + count)]


def loaded(hub: RunningHub, feed: str, path: Path, *further: str) -> Result:
    files = hub.certificate(CHONGQING)
    options = ("--ca", str(files.authority), "--cert", str(files.certificate), "--key", str(files.key), "--hub", hub.targets[0])
    return CliRunner().invoke(app, ["load", str(path), *options, "--feed", feed, "--json", *further])


def last_line(result: Result) -> dict[str, object]:
    return dict(json.loads(result.stdout.splitlines()[-1]))


def numbers(hub: RunningHub, feed: str) -> list[int]:
    return [recorded.sequence for recorded in of_feed(hub.dsn, feed)]


def test_every_line_is_recorded_under_its_number(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-whole")
    result = loaded(shared_hub, feed, written(tmp_path / "cards", *stock(1_203)))
    assert (result.exit_code, last_line(result)) == (
        0, {"lines": 1_203, "next_sequence": 1_204, "recorded": 1_203, "duplicates": 0, "quarantined": 0, "waits": {}})  # fmt: skip
    assert f"--continue-at {feed}=1204" in result.stdout
    assert numbers(shared_hub, feed) == list(range(1, 1_204))


def test_receipts_of_a_load_are_kept_in_the_outbox_that_is_named(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-receipts")
    result = loaded(shared_hub, feed, written(tmp_path / "cards", *stock(700, 20_000)), "--data-dir", str(tmp_path / "adapter"))
    assert result.exit_code == 0, result.output
    kept = Kept(tmp_path / "adapter" / "outbox.sqlite")
    assert [(says.first, says.last) for says in (check(one, kept.keys()) for one in kept.receipts())] == [(1, 500), (501, 700)]
    kept.close()


def test_the_line_of_the_documentation_is_taken_as_it_is(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-documented")
    block = re.search(r"```json\n(.*?\n)```", Path("docs/bulk-load.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "cards").write_text(block[1], encoding="utf-8")
    result = loaded(shared_hub, feed, tmp_path / "cards")
    assert (result.exit_code, last_line(result)["recorded"]) == (0, 1), result.output


def test_a_load_that_was_broken_off_goes_on_where_the_feed_stands(shared_hub: RunningHub, chongqing: Province, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-resumed")
    cards = stock(1_700, 5_000)
    path = written(tmp_path / "cards", *cards)
    for begin in (0, 500):
        chongqing.append(feed, begin + 1, *cards[begin : begin + 500])
    result = loaded(shared_hub, feed, path)
    # The batch before is sent once more: another file would be found out by it.
    assert (result.exit_code, last_line(result)["recorded"], last_line(result)["duplicates"]) == (0, 700, 500)
    assert numbers(shared_hub, feed) == list(range(1, 1_701))
    again = loaded(shared_hub, feed, path)
    assert (again.exit_code, last_line(again)["recorded"]) == (0, 0)


def test_another_file_under_numbers_that_the_hub_has_is_refused(shared_hub: RunningHub, chongqing: Province, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-other")
    chongqing.append(feed, 1, *stock(3, 9_000))
    result = loaded(shared_hub, feed, written(tmp_path / "cards", *stock(5, 9_500)))
    assert (result.exit_code, "conflict at 1" in result.stderr) == (1, True)
    assert numbers(shared_hub, feed) == [1, 2, 3]


def test_a_quarantined_line_is_named_with_the_rule_it_breaks(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-bad")
    cards = stock(3, 11_000)
    cards[1].issuer_region = "509999"
    result = loaded(shared_hub, feed, written(tmp_path / "cards", *cards))
    assert (result.exit_code, last_line(result)["recorded"], last_line(result)["quarantined"]) == (1, 2, 1)
    assert "第 line 2 行 → 2: issuer_region unknown_region" in result.stdout
    assert f"hub quarantine list --feed {feed}" in result.stdout


def test_a_file_goes_behind_what_the_feed_has_by_its_first_number(shared_hub: RunningHub, chongqing: Province, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-behind")
    chongqing.append(feed, 1, *stock(2, 12_000))
    path = written(tmp_path / "cards", *stock(2, 12_100))
    ahead = loaded(shared_hub, feed, path, "--first", "4")
    assert (ahead.exit_code, "next_sequence 3, --first 4" in ahead.stderr) == (1, True)
    assert loaded(shared_hub, feed, path, "--first", "3").exit_code == 0
    assert numbers(shared_hub, feed) == [1, 2, 3, 4]


def test_a_load_goes_on_with_another_edge_when_one_does_not_answer(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-edges")
    path, files = written(tmp_path / "cards", *stock(2, 14_000)), shared_hub.certificate(CHONGQING)
    options = ("--ca", str(files.authority), "--cert", str(files.certificate), "--key", str(files.key), "--feed", feed, "--json")
    result = CliRunner().invoke(app, ["load", str(path), "--hub", "127.0.0.1:9", "--hub", shared_hub.targets[0], *options])
    assert (result.exit_code, last_line(result)["waits"]) == (0, {"UNAVAILABLE": 1})
    assert numbers(shared_hub, feed) == [1, 2]


def test_a_feed_of_another_is_refused_at_once(shared_hub: RunningHub, tmp_path: Path) -> None:
    result = loaded(shared_hub, "sc.usage", written(tmp_path / "cards", *stock(1)))
    assert (result.exit_code, "NOT_FEED_OWNER" in result.stderr) == (1, True)


def test_a_line_that_is_no_event_is_named_without_what_it_holds(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-line")
    path = written(tmp_path / "cards", *stock(1, 13_000))
    with path.open("a") as file:
        file.write('{"holder": "500199198503211232"}\n')
    result = loaded(shared_hub, feed, path)
    assert (result.exit_code, "第 line 2 行" in result.stderr, "5001991985" in result.output) == (1, True, False)


def test_a_file_without_its_last_end_of_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut").write_text("{}\n{")
    for path in (tmp_path / "cut", tmp_path / "none"):
        with pytest.raises(FileUnreadable):
            EventFile(path, 1)


def test_a_file_is_read_from_any_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "MARK_LINES", 3)
    cards = stock(11)
    file = EventFile(written(tmp_path / "cards", *cards), 101)
    assert (file.lines, file.last_sequence) == (11, 111)
    for sequence in (101, 111, 104, 109, 103, 110, 108):
        wanted = range(sequence, min(sequence + 2, 112))
        expected = [(number, cards[number - 101].SerializeToString(deterministic=True)) for number in wanted]
        assert file.pending("", sequence, 2) == expected
    assert file.pending("", 112, 2) == []
    (tmp_path / "bad").write_text("{}\n[1]\n")
    with pytest.raises(LineUnreadable):
        EventFile(tmp_path / "bad", 1).pending("", 1, 5)
