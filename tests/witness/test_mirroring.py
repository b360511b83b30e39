"""A mirror keeps what the log signed, and cosigns nothing else."""

import random
from pathlib import Path

import pytest

from hub.tlog import note, paths
from hub.tlog.cosignatures import check_note
from hub.tlog.note import Checkpoint
from hub.witness import comparing, evidence, folder
from hub.witness.comparing import Compared, NotesOfTwoLogs, TilesUnfit
from hub.witness.evidence import EvidenceRefused, Kind
from hub.witness.folder import Folder, StateDoubtful
from hub.witness.headers import EntryRefused
from hub.witness.mirroring import LogContradicted, LogOfAnother, Mirror, Mirrored, MirrorRefused
from hub.witness.sources import SourceLacks, source_of
from tests.witness.signed_log import NOW_S, ORIGIN, SignedLog, entry


@pytest.fixture
def log() -> SignedLog:
    return SignedLog().grow(700)


@pytest.fixture
def made(tmp_path: Path, log: SignedLog) -> Folder:
    opened = folder.make(tmp_path / "witness", "witness.example")
    opened.add_log(log.key_lines, "")
    return opened


def mirror_of(made: Folder, site: Path) -> Mirror:
    return Mirror(made, made.log(ORIGIN), source_of(str(site)), lambda: NOW_S + 5)


def test_it_keeps_all_tiles_and_entries_and_cosigns_as_a_mirror(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    before = 0
    for size in (1, 100, 256, 300, 511, 700):
        site = log.publish(tmp_path / str(size), size)
        assert mirror_of(made, site).update() == Mirrored(before, size)
        before = size
        for file in (path for path in site.rglob("*") if path.is_file() and path.name != paths.CHECKPOINT):
            assert (made.log(ORIGIN).mirror / file.relative_to(site)).read_bytes() == file.read_bytes()
    kept = mirror_of(made, site).checkpoint()
    assert kept is not None
    assert {check_note(kept, key.verifier).signed_s for key in made.mirror_keys} == {NOW_S + 5}
    assert {key.name for key in made.mirror_keys} == {"witness.example/mirror"}
    assert mirror_of(made, site).update() == Mirrored(700, 700)
    # A mirror is a source as good as the log.
    other = folder.make(tmp_path / "other", "other.example")
    other.add_log(log.key_lines, "")
    assert mirror_of(other, made.log(ORIGIN).mirror).update() == Mirrored(0, 700)


def test_a_round_that_is_cut_off_is_taken_up_again(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    mirror_of(made, log.publish(tmp_path / "first", 300)).update()
    source = source_of(str(log.publish(tmp_path / "second", 700)))
    for _ in range(5):
        left = chance.randrange(1, 4)

        def cut(path: str, left: list[int] = [left]) -> bytes:  # noqa: B006 (counts down)
            left[0] -= 1
            if left[0] < 0:
                raise SourceLacks(path)
            return source(path)

        try:
            Mirror(made, made.log(ORIGIN), cut).update()
        except SourceLacks:
            kept = mirror_of(made, tmp_path).checkpoint()
            assert kept is not None and Checkpoint.parse(kept.text).size == 300, f"seed {seed}"
    assert Mirror(made, made.log(ORIGIN), source).update().size == 700, f"seed {seed}"


def test_entries_that_do_not_hash_to_the_log_tiles_are_refused_by_place(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    site = log.publish(tmp_path / "site")
    bundle = site / paths.entries(1)
    bundle.write_bytes(bundle.read_bytes().replace(b"card_taken", b"card_token", 1))
    with pytest.raises(MirrorRefused, match="Entries from 256 on do not hash to the log's tile tile/0/001"):
        mirror_of(made, site).update()
    assert mirror_of(made, site).checkpoint() is None


def test_a_log_that_goes_on_from_another_history_is_a_fork_with_both_notes(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    mirror_of(made, log.publish(tmp_path / "first", 300)).update()
    other = log.forked(200).grow(700, b"cq.usage")
    with pytest.raises(MirrorRefused, match="are others than those that it showed before"):
        mirror_of(made, other.publish(tmp_path / "other")).update()
    # Entries as before, and a root that is of others.
    site = log.publish(tmp_path / "both")
    (site / paths.CHECKPOINT).write_bytes(other.note(700).format())
    with pytest.raises(LogContradicted, match="Fork"):
        mirror_of(made, site).update()
    [kept] = [evidence.parse(path.read_bytes()) for path in made.evidence.glob("*.json")]
    assert (kept.kind, [one.text for one in kept.notes]) == (Kind.FORK, [log.note(300).text, other.note(700).text])


def test_a_split_view_and_a_rollback_are_noticed(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    mirror_of(made, log.publish(tmp_path / "first", 300)).update()
    with pytest.raises(LogContradicted, match="Split view"):
        mirror_of(made, log.forked(200).grow(300, b"cq.usage").publish(tmp_path / "split")).update()
    with pytest.raises(LogContradicted, match="Rollback"):
        mirror_of(made, log.publish(tmp_path / "back", 200, NOW_S + 60)).update()
    assert {path.name.rsplit("-", 1)[0] for path in made.evidence.glob("*.json")} == {"split-view", "rollback"}


def test_a_log_of_another_origin_is_refused(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    other = SignedLog("other.example/1").grow(5)
    with pytest.raises(LogOfAnother, match=r"other\.example/1"):
        mirror_of(made, other.publish(tmp_path / "other")).update()
    stolen = SignedLog(ORIGIN, log.keys)
    stolen.entries = other.entries
    with pytest.raises(LogOfAnother, match="first entry"):
        mirror_of(made, stolen.publish(tmp_path / "stolen")).update()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (entry(9), "index 5 says that its position is 9"),
        (entry(5, sequence=6), "sc.usage has number 6 where 5 comes next"),
        (entry(5, stream=b"cq.usage"), "cq.usage has number 5 where 1 comes next"),
        (entry(5, recorded_us=1), "the time was set back"),
        (b"\2" + entry(5)[1:], "not an entry of version 1"),
        (entry(5)[:30], "not an entry of version 1"),
    ],
)
def test_entries_that_break_the_order_are_refused_by_name(tmp_path: Path, made: Folder, log: SignedLog, wrong: bytes, words: str) -> None:
    broken = log.forked(5)
    broken.entries.append(wrong)
    with pytest.raises(EntryRefused, match=words):
        mirror_of(made, broken.publish(tmp_path / "broken")).update()


def test_a_mirror_whose_files_changed_goes_no_further(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    mirror_of(made, log.publish(tmp_path / "first", 300)).update()
    tile = made.log(ORIGIN).mirror / paths.tile(0, 1, 44)
    tile.write_bytes(bytes(len(tile.read_bytes())))
    with pytest.raises(StateDoubtful, match="do not lead to its checkpoint of size 300"):
        mirror_of(made, log.publish(tmp_path / "second", 700)).update()
    tile.unlink()
    with pytest.raises(StateDoubtful, match="is missing"):
        mirror_of(made, tmp_path / "second").update()


def test_two_checkpoints_are_compared_by_themselves_or_by_tiles(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    watched, source = made.log(ORIGIN), source_of(str(log.publish(tmp_path / "site")))
    other = log.forked(200).grow(300, b"cq.usage")
    assert comparing.compare(watched, log.note(300), log.note(300), None) == Compared(None, True)
    assert comparing.compare(watched, log.note(300), log.note(700), None) == Compared(None, False)
    assert comparing.compare(watched, log.note(300), log.note(700), source) == Compared(None, True)
    assert comparing.compare(watched, log.note(700), other.note(300), source) == Compared(Kind.FORK, True)
    assert comparing.compare(watched, log.note(300), other.note(300), None) == Compared(Kind.SPLIT_VIEW, True)
    with pytest.raises(TilesUnfit):
        comparing.compare(watched, log.note(300), log.forked(200).grow(700, b"cq.usage").note(700), source)
    with pytest.raises(NotesOfTwoLogs):
        comparing.compare(watched, log.note(300), SignedLog("other.example/1").grow(9).note(), None)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"notes": ["a", "b"]}', b'{"notes": [1, 2]}', b"\xff"])
def test_what_is_not_evidence_is_refused(data: bytes) -> None:
    with pytest.raises((EvidenceRefused, note.NoteRefused)):
        evidence.parse(data)
