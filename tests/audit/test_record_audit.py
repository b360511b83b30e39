"""What an audit of the record compares: the tree of the last delivery with today's, and the lines of witnesses by the policy."""

from collections.abc import Iterator

import pytest

from hub.audit.replay.last_record import Before, Tree, growth, tree_of
from hub.audit.replay.witnessed import HOLDS, witnessed
from hub.tlog.algorithms import ED25519_COSIGNATURE, ML_DSA_44
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, SignerKey
from hub.tlog.note import parse as parse_note
from hub.tlog.policy import Policy, parse
from tests.audit.sealing import WITNESSED_S, Logged
from tests.databases import fresh_database
from tests.recording import Recording, journey, register_owners


@pytest.fixture(scope="module")
def log(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """A log with a cosigned head, and a newer one that nobody cosigned. One of its witnesses has two keys, both of one name."""
    with fresh_database(server_dsn, "hub_test_record_audit") as dsn:
        register_owners(dsn)
        recording, log = Recording(dsn), Logged(dsn, tmp_path_factory.mktemp("keys"))
        log.witnesses = [SignerKey.make(name, kind) for name, kind in (("one.test", ED25519_COSIGNATURE), ("one.test", ML_DSA_44))]
        recording.append(journey(), journey())
        log.seal()
        # The hub keeps a line by the name that its key has in the policy; the first is there by the witness's own name.
        [(note,)] = log.connection.execute("SELECT note FROM tlog.checkpoint WHERE size = 5").fetchall()
        line = sign_note(log.witnesses[1], parse_note(note).text, WITNESSED_S).line
        log.connection.execute("INSERT INTO tlog.cosignature (incarnation, size, witness, line) VALUES (1, 5, 'w1', %s)", (line,))
        recording.append(journey(), journey())
        log.seal(cosigns=False)
        yield log
        recording.close()
        log.close()


def cosigned(log: Logged) -> Tree:
    found = tree_of(log.connection, 5)
    assert found is not None
    return found


def since(tree: Tree | None) -> Before:
    return Before(4, 1, "AU-1", tree)


def test_a_log_that_goes_on_from_the_recorded_root_is_said_to(log: Logged) -> None:
    found = growth(log.connection, since(cosigned(log)))
    assert (found.holds, found.is_compared, len(found.said)) == (True, True, 1)


def test_a_checkpoint_that_is_no_longer_kept_is_no_fault(log: Logged) -> None:
    old = cosigned(log)
    with log.connection.transaction(force_rollback=True):
        log.connection.execute("DELETE FROM tlog.cosignature")
        log.connection.execute("DELETE FROM tlog.checkpoint WHERE size = 5")
        assert growth(log.connection, since(old)).holds


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root": bytes(32)}, "was written again"),
        ({"size": 99}, "the log was cut"),
        ({"origin": "test.chuanyu/2"}, "that audit verified the log test.chuanyu/2"),
    ],
)
def test_a_log_that_does_not_go_on_from_what_was_recorded_is_said_so(log: Logged, change: dict[str, object], words: str) -> None:
    old = cosigned(log)
    with log.connection.transaction(force_rollback=True):
        # What the tables say of that size is rewritten, too: it is not what is compared.
        log.connection.execute("DELETE FROM tlog.cosignature")
        log.connection.execute("DELETE FROM tlog.checkpoint WHERE size = 5")
        found = growth(log.connection, since(Tree(Checkpoint(**{**vars_of(old.head), **change}), old.digest)))  # type: ignore[arg-type]
    assert (found.holds, found.limits[0].en.count(words)) == (False, 1), found


def vars_of(head: Checkpoint) -> dict[str, object]:
    return {"origin": head.origin, "size": head.size, "root": head.root}


def test_a_checkpoint_that_was_signed_again_is_not_the_one_of_the_audit(log: Logged) -> None:
    found = growth(log.connection, since(cosigned(log)._replace(digest=bytes(32))))
    assert (found.holds, "signed again" in found.limits[0].en) == (False, True)


def test_an_audit_that_recorded_no_root_is_not_compared_with_and_that_is_said(log: Logged) -> None:
    found = growth(log.connection, since(None))
    assert (found.holds, found.is_compared, len(found.limits)) == (True, False, 1)


def policy(log: Logged, quorum: str = "both") -> Policy:
    return parse(log.policy_of(*log.signers, quorum=quorum))


def test_lines_are_not_judged_without_a_policy(log: Logged) -> None:
    found = witnessed(log.connection, None)
    assert ({one.worth.en for one in found.witnesses}, found.size, len(found.said)) == ({"not judged: the hub has no policy"}, 0, 0)


def test_one_witness_with_two_keys_is_one(log: Logged) -> None:
    found = witnessed(log.connection, policy(log, "none"))
    assert [(one.name, one.size, one.worth) for one in found.witnesses] == [("one.test", 5, HOLDS)]


def test_a_witness_that_the_policy_does_not_have_counts_for_nothing(log: Logged) -> None:
    other = SignerKey.make("other.test", ED25519_COSIGNATURE).verifier.text
    text = "".join(f"log {key.verifier.text}\n" for key in log.signers) + f"witness other {other}\nquorum other\n"
    found = witnessed(log.connection, parse(text.encode()))
    assert ({one.worth.en for one in found.witnesses}, found.size) == ({"not judged: not in the policy"}, 0)
    assert "no checkpoint is cosigned as the policy" in found.limits[-1].en.lower()


def test_a_line_that_does_not_hold_is_said_so(log: Logged) -> None:
    with log.connection.transaction(force_rollback=True):
        log.connection.execute("UPDATE tlog.cosignature SET size = 7")
        found = witnessed(log.connection, policy(log, "none"))
    assert [one.worth.en for one in found.witnesses] == ["its line does not hold"]
