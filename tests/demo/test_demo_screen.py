"""What the demo says: the picture at a hundred columns, addresses that can be copied, and its last words."""

import io

import psycopg
import pytest
from rich.console import Console

from hub.demo.panels import shows_something
from hub.demo.screen import Picture, announce, draw, farewell, left_behind, show_sealed, suggest
from hub.demo.witness import show_cosigned
from hub.monitoring.vitals import LogVitals

FEED = {"sent": 1_234_567, "recorded": 1_200_000, "quarantined": 34_567, "duplicates": 12_345, "pending": 12_345, "state": "sending"}
RESULT = {"sent": 3, "recorded": 2, "quarantined": 1, "duplicates": 1, "refused": 0, "holes": 0, "seconds": 1.5}


def said(say: object, *arguments: object) -> str:
    screen = Console(width=100, file=io.StringIO())
    say(screen, *arguments)  # type: ignore[operator]
    return screen.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_hundred_columns_cut_nothing_off_the_feeds() -> None:
    drawn = said(lambda screen: screen.print(draw(Picture("127.0.0.1:1", "", "", feeds={"cq.card-center": FEED}))))
    assert "…" not in drawn
    for text in ("cq.card-center", "1,234,567", "34,567", "12,345", "sending", "quarantined", "duplicates"):
        assert text in drawn


def test_each_command_to_try_is_one_line_that_can_be_copied() -> None:
    picture = Picture("127.0.0.1:65535", "http://127.0.0.1:65534/metrics", "/var/lib/a-long-directory/data/demo")
    (where,) = said(announce, picture).splitlines()
    _, question, *further = said(suggest, picture, "A00000001").splitlines()
    assert ("127.0.0.1:65535" in where, "http://127.0.0.1:65534/metrics" in where) == (True, True)
    assert question.endswith("--medium CONTACTLESS --target 127.0.0.1:65535")
    assert all(line.startswith("  HUB_DATA_DIR=/var/lib/a-long-directory/data/demo .venv/bin/hub ") for line in (question, *further))


def test_the_log_is_announced_and_its_end_said() -> None:
    picture = Picture("127.0.0.1:1", "", "", log="http://127.0.0.1:7/checkpoint")
    assert said(announce, picture).splitlines()[1] == "可验证日志 the log that anybody can verify: http://127.0.0.1:7/checkpoint"
    assert said(show_sealed, LogVitals("exchange/1", 8, 0, 0.0)) == "可验证日志 log exchange/1: 已封存至位置 sealed to position 7\n"
    assert "未封存 not sealed 2" in said(show_sealed, LogVitals("exchange/1", 8, 2, 1.0))


def test_the_console_is_announced_with_a_link_for_each_of_its_users() -> None:
    picture = Picture("127.0.0.1:1", "", "", "http://127.0.0.1:7480", ["http://127.0.0.1:7480/enter/A", "http://127.0.0.1:7480/enter/B"])
    _, where, *links = said(announce, picture).splitlines()
    assert "http://127.0.0.1:7480" in where and [line.split()[0] for line in links] == picture.links


@pytest.mark.parametrize(
    ("rows", "shows"), [("transit,0,0\r\n", False), ("transit,0,<5\r\n", True), ("a view,—,0\r\na view,2,0\r\n", True), ("", False)]
)
def test_a_panel_shows_something_where_a_figure_is_not_nought(rows: str, shows: bool) -> None:
    assert shows_something(f"group,cq_in_sc,sc_in_cq\r\n{rows}# END rows=1 as_of=1\r\n") is shows


def test_the_last_words_are_words() -> None:
    told = said(farewell, {**RESULT, "views_equal": True, "checks": {"ACCEPT": 1_500, "DENY": 2}}, True)
    assert "答复 checks: ACCEPT 1,500，DENY 2；用时 took 1.5 s" in told
    assert "{" not in told
    assert "database is removed" in said(left_behind, "data/demo")


def test_it_says_who_cosigned_the_log_and_up_to_where(dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        for size in (8, 5):
            owner.execute("INSERT INTO tlog.cosignature VALUES (1, %s, 'witness-1', %s)", (size, "— witness.example AAAA\n"))
    assert said(show_cosigned, dsn) == ("可验证日志 log: 由 witness.example 联署至位置 cosigned by witness.example to position 7\n")
