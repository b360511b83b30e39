"""`province-adapter load` on a real hub: every line once, from where the feed is, with what was quarantined and why."""

import json
import re
from pathlib import Path

import pytest
import typer
from chuanyu.exchange.v1 import card_service_pb2, event_pb2
from google.protobuf import json_format
from typer.testing import CliRunner, Result

from adapters.cli import app
from adapters.kit.kept import Kept
from adapters.kit.proofs import check
from adapters.load import event_file
from adapters.load.event_file import EventFile, FileUnreadable, LineUnreadable
from hub.commands.card_count import card_count
from tests.clients import Province, add_feed, of_feed, refused
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import lost, registered

hub_app = typer.Typer()
hub_app.command()(card_count)


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


def table(path: Path, *rows: str) -> Path:
    header = "card_no,status,generation,card_kind,issuer_region,occurred_at"
    path.write_text("".join(f"{row}\n" for row in (header, *rows)), encoding="utf-8")
    return path


def row(number: int, status: str = "ACTIVE", region: str = "500199") -> str:
    return f"C{number:08d},{status},THIRD,REGULAR,{region},2025-09-01T00:00:00+08:00"


def test_a_table_of_cards_is_checked_loaded_and_counted_on_both_sides(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.load-table")
    rows = [row(number, "SEALED" if number % 4 else "CANCELLED") for number in range(1, 601)]
    path = table(tmp_path / "cards.csv", *rows)
    checked = loaded(shared_hub, feed, path, "--check-only", "--ask", "all")
    assert (checked.exit_code, last_line(checked)) == (0, {"cards": 600, "wrong": 0, "asked_about": 600}), checked.output
    result = loaded(shared_hub, feed, path, "--cards", "600", "--events-per-s", "4000")
    assert (result.exit_code, last_line(result)["recorded"]) == (0, 600), result.output
    counted = {one["status"]: (one["file"], one["hub"]) for one in last_line(result)["counted"]}  # type: ignore[attr-defined]
    assert (counted["SEALED"], counted["CANCELLED"]) == ((450, 450), (150, 150))
    assert counted["ACTIVE"][0] == 0 < counted["ACTIVE"][1]
    assert numbers(shared_hub, feed) == list(range(1, 601))
    again = loaded(shared_hub, feed, path)
    assert (again.exit_code, last_line(again)["recorded"]) == (0, 0)


def test_what_the_hub_would_quarantine_is_said_before_a_number_is_taken(shared_hub: RunningHub, tmp_path: Path) -> None:
    feed, report = add_feed(shared_hub, CHONGQING, "cq.load-asked"), tmp_path / "refused.csv"
    path = table(tmp_path / "cards.csv", row(1_001), row(1_002, region="509999"))
    result = loaded(shared_hub, feed, path, "--report", str(report))
    assert (result.exit_code, last_line(result)) == (1, {"cards": 2, "wrong": 1, "asked_about": 2})
    assert "第 line 3 行 issuer_region: " in result.stdout
    assert "unknown_region" in report.read_text(encoding="utf-8")
    assert numbers(shared_hub, feed) == []


def test_cards_that_the_hub_has_otherwise_show_in_the_comparison(shared_hub: RunningHub, tmp_path: Path) -> None:
    for status, feed in (("ACTIVE", "cq.load-once"), ("CANCELLED", "cq.load-twice")):
        add_feed(shared_hub, CHONGQING, feed)
        result = loaded(shared_hub, feed, table(tmp_path / f"{status}.csv", *(row(number, status) for number in range(2_000, 2_300))))
    assert (result.exit_code, "✗ 清点 count 50 CANCELLED: 文件 file 300" in result.stdout) == (1, True), result.output


@pytest.mark.parametrize(
    ("rows", "further", "words"),
    [
        ([], (), "No card follows the header"),
        ([row(1)], ("--cards", "2"), "--cards says 2: export or send it again"),
        ([row(1)], ("--taken-at", "2025-09-01"), "An instant has its offset"),
    ],
)
def test_an_order_that_does_not_fit_the_file_is_refused(
    shared_hub: RunningHub, tmp_path: Path, rows: list[str], further: tuple[str, ...], words: str
) -> None:
    result = loaded(shared_hub, "cq.card-center", table(tmp_path / "cards.csv", *rows), *further)
    assert (result.exit_code, words in result.stderr) == (1, True), result.output


def test_only_their_issuer_counts_a_provinces_cards(shared_hub: RunningHub, chongqing: Province) -> None:
    request = card_service_pb2.CountCardsRequest(issuing_province="51")
    assert refused(lambda: chongqing.cards.CountCards(request, timeout=30)).reason == "NOT_PERMITTED"
    request.issuing_province = "Q"
    assert refused(lambda: chongqing.cards.CountCards(request, timeout=30)).reason == "REQUEST_INVALID"


def test_the_operators_command_counts_the_same(shared_hub: RunningHub, chongqing: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    position = chongqing.tell("cq.card-center", registered("N00000001"), lost("N00000002"))
    request = card_service_pb2.CountCardsRequest(issuing_province="50", min_position=position)
    answer = chongqing.cards.CountCards(request, timeout=30)
    assert answer.unregistered == 1
    for name, value in (("HUB_DSN", shared_hub.dsn), ("HUB_DATA_DIR", str(shared_hub.data_dir))):
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(hub_app, ["50", "--json"])
    assert json.loads(told.stdout) == json.loads(json_format.MessageToJson(answer, always_print_fields_with_no_presence=True))
