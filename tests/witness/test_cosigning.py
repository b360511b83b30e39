"""What a witness answers: by the specification's statuses, and whom it catches, with both notes."""

import threading
from pathlib import Path

import pytest

from hub.tlog import note, tree
from hub.tlog.add_checkpoint import Request
from hub.tlog.cosignatures import check_note, sign_note
from hub.tlog.note import Checkpoint, Note, Signature
from hub.witness import evidence, folder
from hub.witness.cosigning import Answer, Cosigner
from hub.witness.evidence import MOST_UNPROVED, Kind
from hub.witness.folder import Folder, FolderBusy, FolderMissing, FolderTaken, KeysOpen, LogKeyUnfit, LogKnown, StateDoubtful
from tests.witness.signed_log import NOW_S, ORIGIN, SignedLog


@pytest.fixture
def log() -> SignedLog:
    return SignedLog().grow(300)


@pytest.fixture
def made(tmp_path: Path, log: SignedLog) -> Folder:
    opened = folder.make(tmp_path / "witness", "witness.example")
    opened.add_log(log.key_lines, "")
    return opened


@pytest.fixture
def cosigner(made: Folder) -> Cosigner:
    return Cosigner(made, lambda: NOW_S + 5)


def kinds_of(made: Folder) -> list[Kind]:
    return sorted(evidence.parse(path.read_bytes()).kind for path in made.evidence.glob("*.json"))


def test_it_cosigns_the_first_checkpoint_and_each_one_that_grows(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    for old, size in ((0, 10), (10, 10), (10, 256), (256, 300)):
        answer = cosigner.add(log.request(old, size))
        assert answer.status == 200
        cosigned = log.note(size).with_lines(note.parse_signatures(answer.body))
        assert {check_note(cosigned, key.verifier).signed_s for key in made.keys} == {NOW_S + 5}
    watched = made.log(ORIGIN)
    latest = made.latest(watched)
    assert latest is not None
    assert made.high(watched) == (300, log.root(300))
    assert len(latest.signatures) == 3 + 2
    assert cosigner.checkpoint(watched.directory.name) == Answer(200, latest.format().decode())
    assert kinds_of(made) == []


def test_a_stale_size_is_answered_with_its_own(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 200)).status == 200
    assert cosigner.add(log.request(0, 300)) == Answer(409, "200\n", "text/x.tlog.size")
    assert cosigner.add(log.request(100, 300)) == Answer(409, "200\n", "text/x.tlog.size")
    # An older checkpoint that comes late is no offence.
    assert cosigner.add(log.request(100, 150)) == Answer(409, "200\n", "text/x.tlog.size")
    assert kinds_of(made) == []


def test_an_empty_tree_is_cosigned_only_with_its_root(cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 0)).status == 200
    text = Checkpoint(ORIGIN, 0, bytes(32)).text
    wrong = Note(text, tuple(sign_note(key, text, NOW_S) for key in log.keys))
    assert cosigner.add(Request(0, (), wrong).format()).status == 422


def test_a_split_view_is_noticed_with_both_notes(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 200)).status == 200
    other = log.forked(150).grow(200, b"cq.usage")
    assert cosigner.add(other.request(200, 200)).status == 422
    [kept] = [evidence.parse(path.read_bytes()) for path in made.evidence.glob("*.json")]
    assert (kept.kind, kept.origin) == (Kind.SPLIT_VIEW, ORIGIN)
    assert [one.text for one in kept.notes] == [log.note(200).text, other.note(200).text]
    assert list(kept.keys) == log.key_lines
    assert made.high(made.log(ORIGIN)) == (200, log.root(200))


def test_a_split_view_is_noticed_also_where_the_size_is_stale(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 200)).status == 200
    assert cosigner.add(log.forked(150).grow(200, b"cq.usage").request(0, 200)).status == 409
    assert kinds_of(made) == [Kind.SPLIT_VIEW]


def test_a_rollback_is_noticed_by_the_log_own_times(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 200, NOW_S)).status == 200
    assert cosigner.add(log.request(150, 150, NOW_S + 60)) == Answer(409, "200\n", "text/x.tlog.size")
    assert kinds_of(made) == [Kind.ROLLBACK]


def test_another_history_is_not_cosigned_and_kept(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 200)).status == 200
    answer = cosigner.add(log.forked(150).grow(250, b"cq.usage").request(200, 250))
    assert (answer.status, "does not begin with" in answer.body) == (422, True)
    assert kinds_of(made) == [Kind.UNPROVED]
    assert cosigner.add(log.request(200, 300)).status == 200


def test_wrong_proofs_of_a_stranger_do_not_fill_the_disk(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    # Who reads the log's checkpoints can send each with a wrong proof.
    assert cosigner.add(log.request(0, 200)).status == 200
    for size in range(201, 203 + MOST_UNPROVED):
        body = Request(200, (bytes(32),), log.note(size)).format()
        assert [cosigner.add(body).status, cosigner.add(body).status] == [422, 422]
    assert kinds_of(made) == [Kind.UNPROVED] * MOST_UNPROVED
    # What cannot be denied is kept all the same.
    cosigner.add(log.forked(150).grow(200, b"cq.usage").request(200, 200))
    assert Kind.SPLIT_VIEW in kinds_of(made)


def test_what_is_not_a_request_is_refused_by_name(cosigner: Cosigner, log: SignedLog) -> None:
    good = log.request(0, 10)
    signed = log.note(10).format()
    refused = {
        b"": "does not begin with `old`",
        good.replace(b"old 0", b"old 00"): "without leading zeros",
        good.replace(b"old 0", b"old -1"): "without leading zeros",
        b"old 11\n\n" + signed: "old is 11",
        b"old 0\nAAAA\n\n" + signed: "not base64 of 32 bytes",
        b"old 0\n" + b"".join([note.encode64(bytes(32)).encode() + b"\n"] * 64) + b"\n" + signed: "64 hashes",
        good.replace(b"\n", b"\r\n"): "does not begin with `old`",
        good[:-1]: "does not end in a newline",
    }
    for body, words in refused.items():
        answer = cosigner.add(body)
        assert (answer.status, words in answer.body) == (400, True), answer
    assert cosigner.add(b"old 0\n" + note.encode64(bytes(32)).encode() + b"\n\n" + signed).status == 422


def test_another_log_and_another_signature_are_refused_by_name(cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(SignedLog("other.example/1").grow(5).request(0)).status == 404
    stranger = SignedLog(ORIGIN).grow(5)
    assert cosigner.add(stranger.request(0)).status == 403
    signed = log.note(10)
    forged = Note(signed.text, (*signed.signatures[1:], Signature(ORIGIN, signed.signatures[0].key_id, bytes(64))))
    answer = cosigner.add(Request(0, (), forged).format())
    assert (answer.status, "altered or forged" in answer.body) == (403, True)


def test_requests_at_once_never_take_a_later_size_back(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    sizes = [10, 50, 90, 130, 170, 210, 250, 290]
    bodies = [log.request(0, size) for size in sizes]
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda body=body: answers.append(cosigner.add(body))) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    assert {int(answer.body) for answer in answers if answer.status == 409} == {made.high(made.log(ORIGIN)).size}


def test_it_signs_nothing_where_its_state_is_in_doubt(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 100)).status == 200
    directory = made.log(ORIGIN).directory
    older = {name: (directory / name).read_bytes() for name in ("high", "latest")}
    assert cosigner.add(log.request(100, 200)).status == 200
    newer = {name: (directory / name).read_bytes() for name in ("high", "latest")}
    doubtful: list[dict[str, bytes | None]] = [
        {"latest": older["latest"]},
        {"latest": None},
        {"high": None},
        {"high": b"200\n"},
        {"high": newer["high"].replace(b"200", b"0200")},
        {"latest": newer["latest"].replace(b"\n200\n", b"\n201\n")},
        {"latest": newer["latest"][:-1]},
        {"high": newer["high"].replace(b"200", b"201")},
    ]
    for changed in doubtful:
        for name, content in {**newer, **changed}.items():
            (directory / name).unlink(missing_ok=True)
            if content is not None:
                (directory / name).write_bytes(content)
        assert cosigner.add(log.request(200, 300)).status == 503, changed
        with pytest.raises(StateDoubtful):
            Cosigner(made)
    for name, content in newer.items():
        (directory / name).write_bytes(content)
    assert cosigner.add(log.request(200, 300)).status == 200


def test_a_crash_between_its_two_files_loses_nothing(made: Folder, cosigner: Cosigner, log: SignedLog) -> None:
    assert cosigner.add(log.request(0, 100)).status == 200
    directory = made.log(ORIGIN).directory
    before = (directory / "high").read_bytes()
    assert cosigner.add(log.request(100, 200)).status == 200
    (directory / "high").write_bytes(before)
    assert Cosigner(made).highs() == {ORIGIN: (200, log.root(200))}


def test_its_folder_is_made_once_for_one_process_and_for_known_logs(tmp_path: Path, made: Folder, log: SignedLog) -> None:
    with pytest.raises(FolderTaken):
        folder.make(made.path, "again.example")
    with pytest.raises(FolderMissing):
        folder.opened(tmp_path / "nowhere")
    with pytest.raises(LogKnown):
        made.add_log(log.key_lines, "")
    with pytest.raises(LogKeyUnfit):
        made.add_log([log.key_lines[0], SignedLog("other.example/1").key_lines[0]], "")
    with pytest.raises(LogKeyUnfit):
        made.add_log([made.keys[0].verifier.text], "")
    with made.alone("serve"), pytest.raises(FolderBusy), made.alone("serve"):
        pass
    keys = made.path / "witness.keys"
    assert keys.stat().st_mode & 0o777 == 0o600
    keys.chmod(0o644)
    with pytest.raises(KeysOpen):
        folder.opened(made.path)


def test_a_new_incarnation_is_another_log(made: Folder, log: SignedLog) -> None:
    second = SignedLog("exchange.example/2").grow(20)
    made.add_log(second.key_lines, "")
    cosigner = Cosigner(made)
    assert [cosigner.add(one.request(0)).status for one in (log, second)] == [200, 200]
    assert cosigner.highs() == {ORIGIN: (300, log.root(300)), "exchange.example/2": (20, second.root(20))}
    assert tree.EMPTY_ROOT not in {high.root for high in cosigner.highs().values()}
