"""A province compares its receipts with a copy of a log whose keys were rotated: each head under the keys that counted at its size."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.cli import app
from adapters.kit import Outbox
from adapters.kit.log_copy import LogCopy
from adapters.kit.log_trust import LogKeysUnreadable, LogKeyWrong, read_keys
from hub.journal.sessions import session
from hub.tlog import files
from hub.tlog.note import Note
from tests.tlog.test_key_rotation import ORIGIN, Rotated, log

__all__ = ["log"]


@pytest.fixture
def copy(log: Rotated, tmp_path: Path) -> Path:
    """The folder of a mirror, whose head the new keys alone signed."""
    with session(log.dsn, "hub_reader", "test") as connection:
        files.write_all(connection, files.log_of(connection), tmp_path / "log")
    return tmp_path / "log"


def ed25519_of(log: Rotated, number: int) -> str:
    return log.sets[number - 1].verifiers(ORIGIN)[0].text


def taken(copy: Path, notes: list[Note], lines: list[str]) -> list[bool]:
    """Which heads a province takes under these lines."""
    keys, found = read_keys(lines), []
    for note in notes:
        (copy / "checkpoint").write_bytes(note.format())
        try:
            LogCopy(str(copy)).checkpoint(keys)
            found.append(True)
        except LogKeyWrong:
            found.append(False)
    return found


def test_each_head_is_taken_under_the_keys_of_its_size(log: Rotated, copy: Path) -> None:
    notes = [log.notes[size] for size in sorted(log.notes)]
    old, new = (f"log {ed25519_of(log, number)}" for number in (1, 2))
    policy = log.policy.decode().splitlines()
    assert taken(copy, notes, policy) == [True] * 4
    assert taken(copy, notes, [old]) == [True, True, True, False]
    assert taken(copy, notes, [new]) == [False, True, True, True]
    assert taken(copy, notes, [old, new]) == [True] * 4
    # Who has the stolen keys signs the last head again: a key given by itself counts always, under the policy it ended before.
    forged = [log.by_old_keys(notes[-1].text)]
    assert (taken(copy, forged, policy), taken(copy, forged, [old, new])) == ([False], [True])


def test_the_command_takes_a_policy_or_several_keys(log: Rotated, copy: Path, tmp_path: Path) -> None:
    home, policy = tmp_path / "adapter", tmp_path / "policy.txt"
    home.mkdir()
    Outbox(home / "outbox.sqlite").close()
    policy.write_bytes(log.policy)

    def audited(*trust: object) -> Result:
        return CliRunner().invoke(app, ["audit", "--data-dir", str(home), "--mirror", str(copy), *map(str, trust)])

    old, new = ed25519_of(log, 1), ed25519_of(log, 2)
    for trust in (("--policy", policy), ("--log-key", old, "--log-key", new), ("--log-key", new)):
        result = audited(*trust)
        assert (result.exit_code, "was not checked" in result.output) == (0, False), result.output
    assert audited("--log-key", old).exit_code == 2
    (copy / "checkpoint").write_bytes(log.by_old_keys(log.notes[max(log.notes)].text).format())
    refused = audited("--policy", policy)
    assert refused.exit_code == 2 and "keys that do not count there" in refused.output, refused.output


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["log"],
        ["log exchange.chuanyu/1"],
        ["log exchange.chuanyu/1+00000000+AQ=="],
        ["key exchange.chuanyu/1"],
        ["{good}", "#!until {name} soon"],
        ["{good}", "#!until {name}"],
        ["{good}", "#!before {name} 7"],
    ],
)
def test_lines_that_are_none_of_a_policy_are_refused(log: Rotated, lines: list[str]) -> None:
    vkey = ed25519_of(log, 1)
    name = vkey.rsplit("+", 1)[0]
    with pytest.raises(LogKeysUnreadable):
        read_keys([line.format(good=f"log {vkey}", name=name) for line in lines])
