"""AuditService, and `hub prove` and `hub verify`, on a running hub that seals its log: who gets which proof, and that each one holds."""

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import audit_service_pb2 as protos
from chuanyu.exchange.v1 import audit_service_pb2_grpc, hub_decisions_pb2, references_pb2
from typer.testing import CliRunner, Result

from hub.audit import verify
from hub.audit.bundle_handing import check as both_checkers
from hub.audit.sealed import NotCosignedYet
from hub.bench.strangers import environment
from hub.cli import app
from hub.commands.options import FileThere
from hub.domain.errors import RequestInvalid, SizeUnknown
from hub.domain.participant import OPERATOR, OPERATOR_METADATA
from hub.tlog import note, proof, tree
from hub.tlog.sealer import signers
from hub.trust.log_keys import open_log_keys
from tests.audit.test_bundles import VERDICT_CPU_S, strangers_cpu_s, strangers_run
from tests.clients import DEADLINE_S, Province, journal, recorded_at, refusal_of, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import journey, question, registered

CARD, FEED = "V00000001", "cq.card-center"
Stub = audit_service_pb2_grpc.AuditServiceStub
AS_OPERATOR = ((OPERATOR_METADATA, "tests"),)


@pytest.fixture(scope="module")
def stubs(shared_hub: RunningHub, chongqing: Province) -> Iterator[dict[str, Stub]]:
    """The service as each of three callers has it, once a card and its use are recorded and sealed."""
    first = chongqing.tell(FEED, registered(CARD))
    last = chongqing.tell("cq.usage", journey(CARD))
    assert first < last
    channels = {urn: shared_hub.channel(urn) for urn in (CHONGQING, SICHUAN, OPERATOR)}
    found = {urn: Stub(channel) for urn, channel in channels.items()}
    sealed_to(found[CHONGQING], last)
    yield found
    for channel in channels.values():
        channel.close()


def sealed_to(stub: Stub, position: int) -> protos.Checkpoint:
    """Waits until the running hub has sealed a position."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            head = stub.GetCheckpoint(protos.GetCheckpointRequest(), timeout=DEADLINE_S).checkpoint
        except grpc.RpcError as early:
            assert early.code() == grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
            head = protos.Checkpoint()
        if head.size > position:
            return head
        assert time.monotonic() < until, "not sealed in time"
        time.sleep(0.05)


def number(feed: str, sequence: int, size: int = 0) -> protos.GetInclusionProofRequest:
    return protos.GetInclusionProofRequest(number=references_pb2.EventRef(feed=feed, sequence=sequence), size=size)


def test_the_owner_of_a_feed_gets_the_proof_of_its_event_and_it_holds(stubs: dict[str, Stub]) -> None:
    found = stubs[CHONGQING].GetInclusionProof(number(FEED, 1), timeout=DEADLINE_S)
    head = found.checkpoint
    tree.check_inclusion(found.leaf, found.position, head.size, list(found.path), head.root)
    read = proof.parse(found.tlog_proof)
    read.check(found.leaf)
    assert (read.index, read.checkpoint.size, note.parse(head.note)) == (found.position, head.size, read.note)


def test_nobody_else_gets_it_but_an_operator(stubs: dict[str, Stub]) -> None:
    for asked in (number(FEED, 1), protos.GetInclusionProofRequest(position=recorded(stubs)), number("no.such-feed", 1)):
        assert refused(lambda asked=asked: stubs[SICHUAN].GetInclusionProof(asked, timeout=DEADLINE_S)).reason == "NOT_FEED_OWNER"
    assert stubs[OPERATOR].GetInclusionProof(number(FEED, 1), timeout=DEADLINE_S, metadata=AS_OPERATOR).leaf
    receipt = protos.GetReceiptRequest(event=references_pb2.EventRef(feed=FEED, sequence=1))
    assert refused(lambda: stubs[SICHUAN].GetReceipt(receipt, timeout=DEADLINE_S)).reason == "NOT_FEED_OWNER"


def recorded(stubs: dict[str, Stub]) -> int:
    return int(stubs[CHONGQING].GetInclusionProof(number(FEED, 1), timeout=DEADLINE_S).position)


def test_a_service_point_gets_the_proof_of_the_decision_that_it_was_given(
    shared_hub: RunningHub, sichuan: Province, stubs: dict[str, Stub]
) -> None:
    answer = sichuan.cards.CheckAcceptance(question("proof-1", CARD), timeout=DEADLINE_S)
    sealed_to(stubs[SICHUAN], answer.position)
    asked = protos.GetInclusionProofRequest(position=answer.position)
    assert stubs[SICHUAN].GetInclusionProof(asked, timeout=DEADLINE_S).position == answer.position
    assert refused(lambda: stubs[CHONGQING].GetInclusionProof(asked, timeout=DEADLINE_S)).reason == "NOT_FEED_OWNER"


def test_the_log_only_grew_between_two_checkpoints(chongqing: Province, stubs: dict[str, Stub]) -> None:
    first = stubs[CHONGQING].GetCheckpoint(protos.GetCheckpointRequest(), timeout=DEADLINE_S).checkpoint
    sealed_to(stubs[CHONGQING], chongqing.tell("cq.usage", journey(CARD)))
    found = stubs[CHONGQING].GetConsistencyProof(protos.GetConsistencyProofRequest(first_size=first.size), timeout=DEADLINE_S)
    assert found.first == first and found.second.size > first.size
    tree.check_consistency(first.size, found.second.size, list(found.path), first.root, found.second.root)


def test_what_is_not_sealed_and_what_is_no_size_are_refused(shared_hub: RunningHub, stubs: dict[str, Stub]) -> None:
    stub = stubs[CHONGQING]
    assert refused(lambda: stub.GetInclusionProof(number(FEED, 10**6), timeout=DEADLINE_S)).reason == "NOT_SEALED_YET"
    assert refused(lambda: stub.GetCheckpoint(protos.GetCheckpointRequest(size=10**9), timeout=DEADLINE_S)).reason == "SIZE_UNKNOWN"
    assert refused(lambda: stub.GetInclusionProof(number(FEED, 1, 10**9), timeout=DEADLINE_S)).reason == "SIZE_UNKNOWN"
    broken = refused(lambda: stub.GetInclusionProof(protos.GetInclusionProofRequest(), timeout=DEADLINE_S))
    assert broken.reason == "REQUEST_INVALID"


ODD = (0, 1, 2, 3, 255, 256, 257, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
TYPED = {"REQUEST_INVALID", "SIZE_UNKNOWN", "NOT_SEALED_YET", "NOT_FEED_OWNER", "RECEIPT_NOT_FOUND"}


def test_whatever_numbers_are_asked_for_the_answer_is_a_proof_that_holds_or_a_refusal_by_name(stubs: dict[str, Stub]) -> None:
    asks: list[tuple[str, Any]] = [("GetCheckpoint", protos.GetCheckpointRequest(size=size)) for size in ODD]
    for one, other in itertools.product(ODD, ODD):
        asks += [
            ("GetConsistencyProof", protos.GetConsistencyProofRequest(first_size=one, second_size=other)),
            ("GetInclusionProof", protos.GetInclusionProofRequest(position=one, size=other)),
            ("GetInclusionProof", number(FEED, one, other)),
            ("GetInclusionProof", number("quarantine", one, other)),
        ]
    asks += [("GetReceipt", protos.GetReceiptRequest(event=references_pb2.EventRef(feed=FEED, sequence=one))) for one in ODD]
    reasons = set()
    for method, request in asks:
        try:
            found = getattr(stubs[CHONGQING], method)(request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            reasons.add(refusal_of(error).reason)
            continue
        if method == "GetInclusionProof":
            head = found.checkpoint
            tree.check_inclusion(found.leaf, found.position, head.size, list(found.path), head.root)
        if method == "GetConsistencyProof":
            tree.check_consistency(found.first.size, found.second.size, list(found.path), found.first.root, found.second.root)
    assert reasons <= TYPED


def test_a_receipt_is_made_again_for_the_sender(chongqing: Province, stubs: dict[str, Stub]) -> None:
    sequence = chongqing.next_sequence(FEED)
    given = chongqing.append(FEED, sequence, registered("V00000002")).receipt
    again = (
        stubs[CHONGQING]
        .GetReceipt(protos.GetReceiptRequest(event=references_pb2.EventRef(feed=FEED, sequence=sequence)), timeout=DEADLINE_S)
        .receipt
    )
    assert (again.text, again.signature, again.blind) == (given.text, given.signature, b"")


@pytest.fixture
def command(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the hub's database."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def policy_of(hub: RunningHub, directory: Path) -> Path:
    """The policy that somebody got from elsewhere: the keys of the log."""
    path = directory / "policy"
    keys = signers(open_log_keys(hub.data_dir / "keys"), "exchange.chuanyu/1")
    path.write_text("".join(f"log {key.verifier.text}\n" for key in keys) + "quorum none\n")
    return path


def made(hub: RunningHub) -> list[hub_decisions_pb2.BundleMade]:
    return [one.event.bundle_made for one in journal(hub.dsn) if one.kind == "bundle_made"]


def test_a_bundle_of_a_decision_is_recorded_before_it_is_there_and_verifies(
    shared_hub: RunningHub, sichuan: Province, stubs: dict[str, Stub], command: Callable[..., Result], tmp_path: Path
) -> None:
    decision = sichuan.cards.CheckAcceptance(question("proof-2", CARD), timeout=DEADLINE_S).position
    out, policy = tmp_path / "d.hubaudit", policy_of(shared_hub, tmp_path)
    ran = command("prove", "decision", decision, "--out", out, "--with-rules", "--purpose", "COMPLAINT", "--operator", "li.lei")
    assert ran.exit_code == 0, (ran.output, ran.exception)
    said = made(shared_hub)[-1]
    assert (said.participant, said.operator, said.purpose_code, said.first) == (OPERATOR, "li.lei", "COMPLAINT", decision)
    assert said.about == hub_decisions_pb2.BUNDLE_SUBJECT_DECISION
    assert recorded_at(shared_hub.dsn, decision).event.decision_made.as_of_position < decision
    outside = command("verify", out, "--policy", policy, "--json")
    assert (outside.exit_code, json.loads(outside.stdout.splitlines()[-1])["exit"]) == (verify.VERIFIED, verify.VERIFIED)
    assert "答复" in outside.stdout
    python, before_s = environment(sys.executable, tmp_path / "venv"), strangers_cpu_s()
    assert strangers_run(python, tmp_path, str(out), "--policy", str(policy)).returncode == verify.VERIFIED
    assert strangers_cpu_s() - before_s < VERDICT_CPU_S
    inside = command("verify", out)
    assert inside.exit_code == verify.SELF_CONSISTENT and "only consistent with itself" in inside.stdout
    out.write_bytes(out.read_bytes()[:-1])
    assert command("verify", out, "--policy", policy, "--json").exit_code == verify.REFUSED


@pytest.mark.parametrize(
    "question",
    [
        ("card", CARD, "--issuer", "50"),
        ("card", "V99999999", "--issuer", "50"),
        ("person", "00" * 32),
        ("feed", FEED, 1, 1),
        ("range", 1, 20),
        ("day", "2020-01-01"),
    ],
)
def test_every_question_has_its_bundle(
    shared_hub: RunningHub, stubs: dict[str, Stub], command: Callable[..., Result], tmp_path: Path, question: tuple[Any, ...]
) -> None:
    out = tmp_path / "a.hubaudit"
    ran = command("prove", question[0], *question[1:], "--out", out)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    assert both_checkers(out, policy_of(shared_hub, tmp_path).read_bytes()).is_trusted
    newest = [one.event for one in journal(shared_hub.dsn) if one.kind == "bundle_made"][-1]
    assert newest.bundle_made.digest.hex() in ran.stdout
    assert (bool(newest.card.key), bool(newest.holder.key)) == (question[0] == "card", question[0] == "person")
    assert list(tmp_path.glob(".*")) == []


def test_a_bundle_that_cannot_be_recorded_or_is_not_whole_is_not_handed_over(
    shared_hub: RunningHub, command: Callable[..., Result], stubs: dict[str, Stub], tmp_path: Path
) -> None:
    out = tmp_path / "a.hubaudit"
    before = len(made(shared_hub))
    assert isinstance(command("prove", "range", 1, 2, "--out", out, "--purpose", "no code").exception, RequestInvalid)
    other = tmp_path / "other"
    other.write_text("quorum none\n")
    assert isinstance(command("prove", "range", 1, 2, "--out", out, "--policy", other).exception, NotCosignedYet)
    assert (out.exists(), len(made(shared_hub)), list(tmp_path.iterdir())) == (False, before, [other])


def test_a_proof_file_and_the_growth_of_the_log_from_the_command_line(
    stubs: dict[str, Stub], command: Callable[..., Result], tmp_path: Path
) -> None:
    out = tmp_path / "a.tlog-proof"
    ran = command("prove", "event", 1, "--out", out)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    proof.parse(out.read_bytes()).check(bytes.fromhex(ran.stdout.split("leaf ")[1].split("，")[0]))
    size = proof.parse(out.read_bytes()).checkpoint.size
    assert command("prove", "growth", size, size).stdout == f"old {size}\nnew {size}\n"
    unknown = command("prove", "growth", 10**9).exception
    assert isinstance(unknown, SizeUnknown) and f"the nearest to {10**9}: " in str(unknown)


def test_a_file_that_is_there_is_replaced_only_when_that_is_asked_for(
    stubs: dict[str, Stub], command: Callable[..., Result], tmp_path: Path
) -> None:
    out = tmp_path / "kept"
    out.write_text("kept")
    for what in (("event", 1), ("range", 1, 2), ("decision", 1), ("card", CARD, "--issuer", "50"), ("person", "00" * 32)):
        assert isinstance(command("prove", *what, "--out", out).exception, FileThere)
    assert out.read_text() == "kept"
    assert command("prove", "event", 1, "--out", out, "--force").exit_code == 0
    assert out.read_bytes().startswith(proof.FIRST_LINE.encode())


def test_a_proof_and_a_checkpoint_are_verified_by_a_policy_from_elsewhere(
    shared_hub: RunningHub, stubs: dict[str, Stub], command: Callable[..., Result], tmp_path: Path
) -> None:
    out, head, policy = tmp_path / "a.tlog-proof", tmp_path / "head", policy_of(shared_hub, tmp_path)
    leaf = command("prove", "event", 1, "--out", out).stdout.split("leaf ")[1].split("，")[0]
    head.write_bytes(proof.parse(out.read_bytes()).note.format())

    def code(*arguments: object) -> tuple[int, str]:
        said = json.loads(command("verify", *arguments, "--policy", policy, "--json").stdout.splitlines()[-1])
        return said["exit"], said["refused"]

    assert code(out, "--leaf", leaf) == (verify.VERIFIED, "")
    # Who has no leaf knows whose checkpoint it is, and no more.
    assert code(out) == (verify.NOT_CHECKED, "")
    assert code(out, "--leaf", "00" * 32) == (verify.REFUSED, "ProofRefused")
    assert code(head) == (verify.VERIFIED, "")
    head.write_bytes(head.read_bytes().replace(b"\n", b"\n1", 1))
    assert code(head) == (verify.REFUSED, "SignatureWrong")
    out.write_bytes(out.read_bytes().replace(b"index 1", b"index 01"))
    assert code(out) == (verify.REFUSED, "ProofFileRefused")
    assert "--policy" in command("verify", head).output


def test_the_program_for_strangers_is_written_out(command: Callable[..., Result], tmp_path: Path) -> None:
    script = tmp_path / "verify.py"
    assert command("verify", "--script", script).exit_code == 0
    assert script.read_bytes() == Path(verify.__file__).read_bytes()
    assert command("verify").exit_code == 2
