"""Policies: what is read, what is refused by name with its line, and which checkpoints they take."""

from collections.abc import Sequence

import pytest

from hub.tlog import policy
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE, ML_DSA_44, SM2
from hub.tlog.cosignatures import SignatureWrong, sign_note
from hub.tlog.note import Checkpoint, Note, SignerKey
from hub.tlog.policy import LogSignatureMissing, LogUnknown, PolicyRefused, QuorumMissed

ORIGIN = "exchange.example/1"
NOW_S = 1_790_000_000
# Names of tests must not change from run to run, so their keys do not either.
LOG = SignerKey(ORIGIN, ED25519, bytes(32))
LOG_SM2 = SignerKey.make(ORIGIN, SM2)
X1, X2, X3 = (SignerKey(f"x{number}.example", ED25519_COSIGNATURE, bytes([number]) * 32) for number in (1, 2, 3))
Y1 = SignerKey("y1.example", ML_DSA_44, bytes(32))
POLICY = f"""\
# Sichuan's, Chongqing's and the auditor's.
log {LOG.verifier.text}
  log\t{LOG_SM2.verifier.text} https://log.example/

witness X1 {X1.verifier.text}
witness X2 {X2.verifier.text} https://x2.example/
witness X3 {X3.verifier.text}
witness 见证 {Y1.verifier.text}
group X 2 X1 X2 X3
group both all X 见证
quorum both
"""


def cosigned(*witnesses: SignerKey, by: Sequence[SignerKey] = (LOG,), origin: str = ORIGIN) -> Note:
    text = Checkpoint(origin, 5, bytes(32)).text
    return Note(text, tuple(sign_note(key, text, NOW_S) for key in (*by, *witnesses)))


def test_a_checkpoint_with_a_log_and_a_quorum_is_taken() -> None:
    judged = policy.parse(POLICY.encode()).judge(cosigned(X1, X3, Y1))
    assert judged.checkpoint == Checkpoint(ORIGIN, 5, bytes(32))
    assert set(judged.witnesses) == {"X1", "X3", "见证"}
    assert {signed.signed_s for signed in judged.witnesses.values()} == {NOW_S}


def test_one_witness_with_two_keys_is_one_in_number_and_in_words() -> None:
    again = SignerKey(X1.name, ML_DSA_44, bytes([9]) * 32)
    lines = f"log {LOG.verifier.text}\n" + "".join(
        f"witness {name} {key.verifier.text}\n" for name, key in (("a", X1), ("b", again), ("c", X2))
    )
    two = policy.parse(f"{lines}group two 2 a b c\nquorum two\n".encode())
    with pytest.raises(QuorumMissed):
        two.judge(cosigned(X1, again))
    judged = two.judge(cosigned(X1, again, X2))
    assert (set(judged.witnesses), judged.seen_s) == ({"a", "b", "c"}, {X1.name: NOW_S, X2.name: NOW_S})
    both = policy.parse(f"{lines}group both all a b\nquorum both\n".encode())
    assert both.judge(cosigned(X1, again)).seen_s == {X1.name: NOW_S}


@pytest.mark.parametrize("witnesses", [[], [X1, X2, X3], [X1, Y1], [Y1]])
def test_fewer_than_the_quorum_are_not_enough(witnesses: list[SignerKey]) -> None:
    with pytest.raises(QuorumMissed, match="The quorum is both; cosigned by:"):
        policy.parse(POLICY.encode()).judge(cosigned(*witnesses))


def test_another_log_an_unsigned_one_and_a_forged_line_are_refused() -> None:
    read = policy.parse(POLICY.encode())
    with pytest.raises(LogUnknown, match=r"other\.example"):
        read.judge(cosigned(X1, X2, Y1, origin="other.example"))
    with pytest.raises(LogSignatureMissing):
        read.judge(cosigned(X1, X2, Y1, by=()))
    forged = cosigned(X1, X2, Y1).with_lines([sign_note(X3, Checkpoint(ORIGIN, 6, bytes(32)).text, NOW_S)])
    with pytest.raises(SignatureWrong, match=r"x3\.example"):
        read.judge(forged)
    with pytest.raises(SignatureWrong, match="says when it saw"):
        text = cosigned().text
        read.judge(cosigned(X1, X2).with_lines([sign_note(Y1, text, 0)]))


def test_an_sm2_line_of_the_log_is_enough_and_a_stranger_does_not_disturb() -> None:
    stranger = SignerKey.make("stranger.example", ED25519_COSIGNATURE)
    judged = policy.parse(POLICY.encode()).judge(cosigned(X1, X2, Y1, stranger, by=[LOG_SM2]))
    assert [signed.key.kind for signed in judged.logs] == [SM2]


def test_a_policy_may_ask_for_no_witness() -> None:
    assert policy.parse(f"log {LOG.verifier.text}\nquorum none\n".encode()).judge(cosigned()).witnesses == {}


OWN = SignerKey("own.example", ED25519_COSIGNATURE, LOG.private)
RENAMED = SignerKey("renamed.example", ED25519_COSIGNATURE, X1.private)
AS_MEMBERS = f"witness X1 {X1.verifier.text}\nwitness X2 {X2.verifier.text}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"group X any X1\nwitness X1 {X1.verifier.text}\nquorum X\n", "Line 1: .*no line before it defines X1"),
        (f"quorum X1\nwitness X1 {X1.verifier.text}\n", "Line 1: .*no line before it defines X1"),
        ("group X any X\nquorum X\n", "no line before it defines X"),
        (f"{AS_MEMBERS}witness again {RENAMED.verifier.text}\nquorum X1\n", "Line 3: .*one witness would count twice"),
        (f"{AS_MEMBERS}witness X1 {X3.verifier.text}\nquorum X1\n", "the name X1 is taken"),
        (f"witness none {X1.verifier.text}\nquorum none\n", "the name none is taken"),
        (f"log {LOG.verifier.text}\nlog {LOG.verifier.text}\nquorum none\n", "Line 2: .*on another log line"),
        (f"log {LOG.verifier.text}\nwitness own {OWN.verifier.text}\nquorum own\n", "Line 2: .*a log is not its own witness"),
        (f"witness own {OWN.verifier.text}\nlog {LOG.verifier.text}\nquorum own\n", "Line 2: .*a log is not its own witness"),
        (f"log {X1.verifier.text}\nquorum none\n", "not a kind of key for a log"),
        (f"witness X1 {LOG.verifier.text}\nquorum X1\n", "not a kind of key for a witness"),
        (f"{AS_MEMBERS}group X 3 X1 X2\nquorum X\n", "not all, any, or a number from 1 to 2"),
        (f"{AS_MEMBERS}group X 0 X1 X2\nquorum X\n", "not all, any"),
        (f"{AS_MEMBERS}group X 01 X1 X2\nquorum X\n", "not all, any"),
        (f"{AS_MEMBERS}group X 2 X1 X1\nquorum X\n", "X1 is a member twice"),
        (f"{AS_MEMBERS}group X 1 X1\ngroup Y 2 X1 X2\nquorum Y\n", "X1 is a member twice"),
        (f"{AS_MEMBERS}group X any none\nquorum X\n", "no line before it defines none"),
        (f"{AS_MEMBERS}group X any\nquorum X\n", "at least one member"),
        (f"{AS_MEMBERS}quorum X1\nquorum X2\n", "a quorum line already"),
        (AS_MEMBERS, "no quorum line"),
        ("", "no quorum line"),
        ("quorum none", "does not end in a newline"),
        ("quorum none\r\n", "Line 1 has the control character U\\+000D"),
        ("quorum none\x7f\n", "control character U\\+007F"),
        ("quora none\n", "begins with none of"),
        ("log key\nquorum none\n", "not the key of a log"),
        ("#" * (1 << 18) + "\n", "are read"),
    ],
)
def test_what_is_not_a_policy_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(PolicyRefused, match=words):
        policy.parse(text.encode())


def test_names_are_octets_and_not_letters() -> None:
    kelvin = f"witness K {X1.verifier.text}\nwitness \u212a {X2.verifier.text}\n".encode()
    latin = b"witness \xe9" + f" {X3.verifier.text}\nquorum \u212a\n".encode()
    read = policy.parse(kelvin + latin)
    assert len(read.witnesses) == 3 and read.quorum == "\u212a"
