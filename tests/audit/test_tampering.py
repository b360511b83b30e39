"""Each kind of tampering, done as a superuser to what a real hub recorded, is found by its own name; what nobody touched is clean."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hub.audit import verdicts
from hub.audit.bundle_question import Question
from hub.audit.fsck import Checked, Difference, Examination, Scene, diagnosis, examined
from hub.bench.tampering.bundle_kinds import BundleKind
from hub.bench.tampering.bundles import bundle_of, refusals, trusted
from hub.bench.tampering.campaign import ALL, ALL_BUNDLES, attempt, attempt_bundle, checked, untouched
from hub.bench.tampering.history import Hub, recorded
from hub.bench.tampering.kinds import Attack, Kind
from hub.bench.tampering.log_kinds import signed, witness_line_forged
from hub.cli import app
from hub.config import Config
from hub.tlog import sealer, store
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE
from hub.tlog.cosignatures import sign_note
from hub.tlog.genesis import Continued, Genesis
from hub.tlog.key_book import LogBookAltered, known_sets
from hub.tlog.note import Checkpoint, Note, NoteRefused, SignerKey
from hub.tlog.policy import PolicyRefused
from tests.seeds import one_in


def seed_of(kind: Kind | BundleKind) -> int:
    """One choice of what is attacked a kind, not the same for all; `hub bench tampering` makes each with many."""
    return 1 + (ALL.index(kind) if isinstance(kind, Kind) else ALL_BUNDLES.index(kind)) % 2


@pytest.fixture(scope="module")
def sealed_hub(server_dsn: str) -> Iterator[Hub]:
    """What a hub recorded."""
    with recorded(Config(dsn=server_dsn), cards=20, uses=120) as hub:
        yield hub


def test_what_nobody_touched_is_clean(sealed_hub: Hub) -> None:
    assert untouched(sealed_hub).codes == {}


@pytest.mark.parametrize("kind", one_in(6, ALL), ids=lambda kind: kind.attack.__name__)
def test_it_is_found_by_its_name(sealed_hub: Hub, kind: Kind) -> None:
    codes = attempt(sealed_hub, kind, seed_of(kind)).codes
    assert kind.code in codes, codes


@pytest.mark.parametrize("data", [b"", b"\x0a\xff", None], ids=("nothing", "no message", "another event"))
def test_a_book_of_keys_that_was_altered_is_found_and_the_check_goes_on(
    sealed_hub: Hub, data: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody moved a time here: to try two days of seconds for each row finds nothing and takes longer than all else.
    monkeypatch.setattr(diagnosis, "_MOST_SECONDS", 60)
    with psycopg.connect(sealed_hub.dsn) as connection:
        attack = Attack(connection, sealed_hub, 1)
        kept = "SELECT position FROM journal.event WHERE kind IN ('log_keys_taken_up', 'log_keys_retired') ORDER BY 1"
        other = "SELECT data FROM journal.event WHERE kind = 'card_registered' ORDER BY 1"
        positions = attack.rows(kept)
        for (position,) in positions:
            forged = attack.one_of(other)[0] if data is None else data
            attack.change("UPDATE journal.event SET data = %s WHERE position = %s", forged, position)
        codes = checked(attack, "card_standing").codes
        with pytest.raises(LogBookAltered):
            known_sets(connection)
        connection.rollback()
    assert codes.get("event-altered") == len(positions) > 0, codes
    assert "examination-broken" not in codes


def test_an_examination_that_breaks_is_a_difference_and_its_findings_stay(sealed_hub: Hub) -> None:
    def examine(scene: Scene) -> Iterator[Difference]:
        """All is as it was."""
        yield Difference("keys-differ")
        raise KeyError(scene.head)

    with psycopg.connect(sealed_hub.dsn) as connection:
        scene = Scene(connection, Checked(), None, lambda _what, _done, _of: None)
        found = list(examined(Examination(examine), scene))
    assert [one.code for one in found] == ["keys-differ", "examination-broken"]
    assert found[1].values == {"what": "All is as it was.", "why": "KeyError"}


def test_what_a_restore_begins_anew_is_no_difference_and_what_is_lost_is_said(sealed_hub: Hub) -> None:
    with psycopg.connect(sealed_hub.dsn) as connection:
        attack = Attack(connection, sealed_hub, 1)
        [(origin, entry)] = attack.rows("SELECT origin, genesis FROM tlog.incarnation")
        common, *_, last = attack.rows("SELECT size, root FROM tlog.checkpoint ORDER BY size")
        before, name = Genesis.parse(entry), f"{origin.rpartition('/')[0]}/2"
        begun = Genesis(name, before.hub, before.pseudonym_key, Continued(Checkpoint(origin, *last), *common))
        log = store.Incarnation(2, name, begun.entry)
        store.put_incarnation(connection, log)
        sealer.catch_up(sealer.Sealer(connection, sealed_hub.log_keys, log))
        # No witness watches the new log yet; the checkpoint that the old one showed is of what is said to be lost.
        attack.policy = (
            b"".join(line for line in attack.policy.splitlines(keepends=True) if line.startswith((b"log ", b"#!"))) + b"quorum none\n"
        )
        attack.others = [sealed_hub.newest]
        found = checked(attack, "card_standing")
        connection.rollback()
    assert (found.codes, found.left_out) == ({}, [one for one in found.left_out if f"{common[0]} to {last[0]} of {origin}" in one])
    assert found.left_out


def test_heads_that_are_no_notes_end_no_examination(sealed_hub: Hub) -> None:
    with psycopg.connect(sealed_hub.dsn) as connection:
        attack = Attack(connection, sealed_hub, 1)
        witness_line_forged(attack)
        attack.change("UPDATE tlog.checkpoint SET note = %s", b"\xff")
        attack.others = [signed(attack, 200, bytes(32))]
        codes = checked(attack, "card_standing").codes
        connection.rollback()
    assert {"checkpoint-forged", "cosignature-wrong", "two-heads"} <= codes.keys()
    assert "examination-broken" not in codes


@pytest.mark.parametrize(
    "change", ["DELETE FROM journal.head", "ALTER TABLE journal.head ALTER position DROP NOT NULL; UPDATE journal.head SET position = NULL"]
)
def test_a_journal_without_a_head_is_named(sealed_hub: Hub, change: str) -> None:
    with psycopg.connect(sealed_hub.dsn) as connection:
        connection.execute(change.encode())
        assert checked(Attack(connection, sealed_hub, 1), "").codes["head-missing"] == 1
        connection.rollback()


def test_a_bundle_that_nobody_touched_is_taken_by_both(sealed_hub: Hub) -> None:
    with psycopg.connect(sealed_hub.dsn) as connection:
        attack = Attack(connection, sealed_hub, 1)
        assert refusals(bundle_of(attack, Question("range", first=10, last=60)), trusted(attack)) == ("", "")


@pytest.mark.parametrize("kind", one_in(3, ALL_BUNDLES), ids=lambda kind: kind.attack.__name__)
def test_a_bundle_that_was_tampered_with_is_refused_by_two_checkers_under_one_name(sealed_hub: Hub, kind: BundleKind) -> None:
    assert attempt_bundle(sealed_hub, kind, seed_of(kind)) == (kind.code, kind.code)


# The command


@pytest.fixture
def run(sealed_hub: Hub, tmp_path: Path) -> Callable[..., Result]:
    """Runs `hub fsck` on the sealed hub, with the policy of its witnesses."""
    policy = tmp_path / "policy"
    policy.write_bytes(sealed_hub.policy)
    settings = {"HUB_DSN": sealed_hub.dsn, "HUB_DATA_DIR": str(sealed_hub.data_dir)}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ("fsck", "--no-views", "--policy", str(policy), *arguments), env=settings)

    return run


def test_the_command_says_how_far_the_log_was_compared_and_leaves_nothing_out(run: Callable[..., Result], sealed_hub: Hub) -> None:
    newest = sealed_hub.data_dir / "newest.note"
    newest.write_bytes(sealed_hub.newest.format())
    result = run("--against", str(newest), "--json")
    said = json.loads(result.output.splitlines()[-1])
    size = int(sealed_hub.newest.text.splitlines()[1])
    assert (result.exit_code, said["clean"], said["sealed"], said["left_out"]) == (0, True, size, [])
    verdict = verdicts.last(sealed_hub.data_dir)
    assert verdict is not None
    assert (verdict.sealed, verdict.differences) == (size, 0)


def test_the_command_prints_both_notes_of_two_histories_and_fails(run: Callable[..., Result], sealed_hub: Hub) -> None:
    other = sealed_hub.data_dir / "other.note"
    size = int(sealed_hub.newest.text.splitlines()[1])
    with psycopg.connect(sealed_hub.dsn) as connection:
        forged = signed(Attack(connection, sealed_hub, 1), size, bytes(32)).format().decode()
    other.write_text(forged, encoding="utf-8")
    result = run("--against", str(other))
    own = sealed_hub.newest.text
    assert (result.exit_code, "[two-heads]" in result.output, forged in result.output, own in result.output) == (1, True, True, True)


def test_the_policy_of_another_hub_is_one_finding(run: Callable[..., Result], tmp_path: Path) -> None:
    policy = tmp_path / "foreign"
    witness = SignerKey.make("chengdu", ED25519_COSIGNATURE).verifier.text
    policy.write_text(f"log {SignerKey.make('another.example/1', ED25519).verifier.text}\nwitness chengdu {witness}\nquorum chengdu\n")
    said = json.loads(run("--policy", str(policy), "--json").output.splitlines()[-1])
    assert said["codes"] == {"policy-of-another": 1}


@pytest.mark.parametrize(
    ("option", "content", "error"),
    [
        ("--policy", b"quorum none", PolicyRefused),
        ("--policy", b"log nobody\nquorum none\n", PolicyRefused),
        ("--against", b"no note", NoteRefused),
        ("--against", b"origin\r\n1\n", NoteRefused),
    ],
)
def test_a_policy_or_a_note_that_is_none_is_refused(
    run: Callable[..., Result], tmp_path: Path, option: str, content: bytes, error: type[Exception]
) -> None:
    file = tmp_path / "given"
    file.write_bytes(content)
    assert isinstance(run(option, str(file)).exception, error)


def test_a_note_of_another_log_is_evidence_of_nothing_and_said_so(run: Callable[..., Result], tmp_path: Path) -> None:
    key = SignerKey.make("another.example/1", ED25519)
    text = Checkpoint("another.example/1", 5, bytes(32)).text
    other = tmp_path / "other.note"
    other.write_bytes(Note(text, (sign_note(key, text),)).format())
    result = run("--against", str(other))
    assert (result.exit_code, "[note-unknown]" in result.output) == (1, True)


def test_hotlist_files_before_the_last_snapshot_may_be_deleted(sealed_hub: Hub) -> None:
    with psycopg.connect(sealed_hub.dsn) as connection:
        attack = Attack(connection, sealed_hub, 1)
        attack.change("DELETE FROM hotlist.file WHERE epoch < (SELECT max(epoch) FROM hotlist.file)")
        codes = checked(attack, "card_standing").codes
        connection.rollback()
    assert codes == {}
