"""Operators at the command line: what they write names nobody, and what cannot be done is one line that says what to do."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import event_pb2
from rich.text import Text
from typer.testing import CliRunner, Result

from hub.admin.participants import ParticipantNotFound
from hub.admin.registry import register_participant
from hub.audit.fsck import check
from hub.cli import app, main
from hub.commands.database import NoDatabase
from hub.commands.participants import list_participants
from hub.commands.refusals import in_words
from hub.domain.errors import RequestInvalid
from hub.domain.masking import looks_like_an_identifier, without_identifiers
from hub.domain.participant import PREFIX, Certificate, Participant
from hub.domain.quarantine import FeedNotFound
from hub.domain.texts import identifiers_in_texts
from hub.journal.recorder import AggregateStore

NAME = "sc.test"
PERSON, CARD, MOBILE, ACCOUNT = "510199198204193128", "S59186541", "13800138000", "6217000000000000004"
NOWHERE = "postgresql://nobody@127.0.0.1:1/x"
Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    """Runs `hub …` as a shell does, without a database of its own unless one is named; returns its exit code and all it said."""
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "mistyped"))

    def said(*arguments: str, **settings: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["hub", *arguments])
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out + output.err

    return said


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command on a database with one participant."""
    with contextlib.closing(AggregateStore(dsn)) as store:
        register_participant(store, PREFIX + NAME, "51", "a title", [NAME], datetime.now(UTC))
    settings = {"HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path)}
    return lambda *arguments: CliRunner().invoke(app, arguments, env=settings)


# What operators write


@pytest.mark.parametrize(
    ("arguments", "violation"),
    [
        (("participants", "suspend", NAME, "--reason", f"holder {PERSON} called"), ("reason_code", "string.pattern")),
        (("participants", "suspend", NAME, "--reason", CARD), ("reason_code", "no_identifier")),
        (("participants", "withdraw", NAME, "--fingerprint", "ab" * 32, "--reason", CARD), ("reason_code", "no_identifier")),
        (
            ("participants", "add", "sc.new", "--province", "51", "--feed", "sc.new", "--title", f"张三 {PERSON}"),
            ("title", "no_identifier"),
        ),
        (("agreements", "sign", "X", "--side", "51", "--maker", PERSON, "--checker", "5102"), ("maker", "no_identifier")),
        (("agreements", "suspend", "X", "--reason", CARD), ("reason_code", "no_identifier")),
    ],
)
def test_what_looks_like_an_identifier_is_refused_and_never_recorded(
    arguments: tuple[str, ...], violation: tuple[str, str], run: Callable[..., Result], dsn: str
) -> None:
    result = run(*arguments)
    field, rule = violation
    told = result.output + str(result.exception)
    assert (result.exit_code, f"{field}: " in told, rule in told) == (1, True, True)
    assert PERSON not in told
    assert check(dsn, with_views=False, with_identifiers=True).events == 1


def test_a_refused_field_is_told_in_words() -> None:
    told = in_words(RequestInvalid([("operator", "string.pattern"), ("title", "no_identifier")]))
    assert "at most 64" not in told
    assert "A-Z a-z 0-9 . _ @ -" in told
    assert "looks like a number of a card or a person" in told


def test_fsck_finds_what_was_recorded_before_it_was_refused(run: Callable[..., Result], dsn: str) -> None:
    with contextlib.closing(AggregateStore(dsn)) as store:
        participant = store.get(Participant, Participant.create_id(PREFIX + NAME))
        assert participant is not None
        participant.suspend(f"holder {PERSON} called", datetime.now(UTC))
        store.save(participant)
    result = run("fsck", "--identifiers", "--no-views")
    assert result.exit_code == 1
    assert "position 2: participant_suspended.reason_code has what looks like an ID number" in result.output
    assert "发现 found 1:" in result.output
    assert PERSON not in result.output


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"holder {PERSON} called", "an ID number"),
        ("51019919820419312８", "an ID number"),
        (f"card-{CARD}.csv", "a card number"),
        (CARD.lower(), "a card number"),
        (MOBILE, "a mobile number"),
        (ACCOUNT, "a bank account"),
    ],
)
def test_an_identifier_in_a_text_is_recognised(text: str, kind: str) -> None:
    event = event_pb2.Event()
    event.source.file_name = text
    assert list(identifiers_in_texts(event)) == [("source.file_name", kind)]


@pytest.mark.parametrize(
    "text",
    [
        "510199198204193127",  # not its check digit
        "B20260303",
        "H51010000123",
        "SC_USAGE_20260303_001.txt",
        "urn:chuanyu:participant:sc.card-center",
        "2.17.1",
        "4" * 64,
        "f3b0c442-98fc-1c14-9afb-f4c8996fb924",
        "20260303100512000017",
    ],
)
def test_codes_file_names_and_digests_are_no_identifiers(text: str) -> None:
    event = event_pb2.Event()
    event.source.message_id = text
    assert list(identifiers_in_texts(event)) == []


def test_a_card_number_of_any_form_is_masked() -> None:
    assert without_identifiers("check 5A0000001 and S59186541, GOV.ID") == "check … and …, GOV.ID"
    assert not looks_like_an_identifier("INC-4711 of 2026-03-03")


# What cannot be done


@pytest.mark.parametrize(
    "command",
    ["participants list", "participants quota x", "quarantine list", "fsck", "rebuild all", "migrate", "traces --position 3", "findings",
     "backup to"],
)  # fmt: skip
def test_a_database_that_is_away_is_one_line(command: str, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = said(*command.split(), HUB_DSN=NOWHERE)
    lines = [line for line in output.splitlines() if not line.startswith("{")]
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("✗ 数据库不可达 the database cannot be reached: ")
    assert lines[0].endswith("（hub doctor）")


@pytest.mark.parametrize(
    "command",
    ["participants list", "participants suspend x --reason X", "quarantine list", "quarantine show x 1", "findings", "traces --position 3",
     "fsck", "rebuild all", "agreements list", "hotlist build", "hotlist --public-key", "doctor --start", "backup to"],
)  # fmt: skip
def test_a_mistyped_directory_gets_no_database(command: str, said: Said, tmp_path: Path) -> None:
    code, output = said(*command.split())
    assert (code, output) == (1, f"✗ {NoDatabase(tmp_path / 'mistyped')}\n")
    assert "there is no database in" in output
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_none_is_named_with_its_value(said: Said) -> None:
    code, output = said("status", HUB_MAX_LAG_S="abc", HUB_LISTEN="nonsense")
    assert code == 1
    assert "✗ HUB_MAX_LAG_S=abc: 设置无效 no valid setting: Input should be a valid number" in output
    assert "✗ HUB_LISTEN=nonsense: 设置无效 no valid setting: 应为 it should be HOST:PORT" in output
    assert len(output.splitlines()) == 2


@pytest.mark.parametrize(
    "command", ["serve --listen", "status --target", "check A00000001 --issuer 50 --target", "explain --decision 1 --target"]
)
@pytest.mark.parametrize("address", ["nonsense", "host:99999", "::1:7443"])
def test_an_address_is_host_and_port(command: str, address: str, said: Said) -> None:
    code, output = said(*command.split(), address)
    assert (code, "不是地址 not an address" in output) == (2, True)


def test_status_of_nothing_fails_and_says_what_to_do(said: Said) -> None:
    code, output = said("status", HUB_DSN=NOWHERE, HUB_LISTEN="127.0.0.1:1")
    assert code == 1
    assert "the first `hub serve` makes them" in output
    assert "--target 或 HUB_LISTEN" in output
    assert "Error" not in output
    assert said("status", "--json")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("participants", "quota", "nobody"), ParticipantNotFound), (("quarantine", "show", "nofeed", "1"), FeedNotFound)],
)
def test_operators_are_told_where_to_look(arguments: tuple[str, ...], error: type[Exception], run: Callable[..., Result]) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert str(result.exception).endswith("see `hub participants list`.")


@pytest.mark.parametrize(
    ("name", "province", "feed", "hint"),
    [(NAME, "99", NAME, "--province"), ("Sc.test", "51", NAME, "NAME"), (NAME, "51", "Feed", "--feed")],
)
def test_add_says_what_is_wrong(name: str, province: str, feed: str, hint: str, run: Callable[..., Result]) -> None:
    result = run("participants", "add", name, "--province", province, "--feed", feed)
    assert (result.exit_code, f"Invalid value for {hint}:" in result.output) == (2, True)


def test_no_name_and_no_code_is_cut_at_100_columns(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(AggregateStore(dsn)) as store:
        register_participant(
            store, f"{PREFIX}sc.long-name-of-a-card-center", "51", "a title", ["sc.long-name-of-a-feed"], datetime.now(UTC)
        )
        participant = store.get(Participant, Participant.create_id(f"{PREFIX}sc.long-name-of-a-card-center"))
        assert participant is not None
        participant.add_certificate(Certificate("ab" * 32, "1", datetime.now(UTC)), datetime.now(UTC))
        participant.withdraw_certificate("ab" * 32, "X" * 64, datetime.now(UTC))
        store.save(participant)
    for name, value in {"HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path), "COLUMNS": "100", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    list_participants()
    output = Text.from_ansi(capsys.readouterr().out).plain
    assert max(map(len, output.splitlines())) <= 100
    assert (output.count("X"), output.count("…")) == (64, 0)
    assert "".join(line.split("│")[1].strip() for line in output.splitlines() if "│" in line) == "sc.long-name-of-a-card-center"
