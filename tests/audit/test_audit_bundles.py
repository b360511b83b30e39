"""The bundle of an audit: who asked, who approved, what was delivered; another outcome or report in its place is named by both checkers."""

import contextlib
import hashlib
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.bundle import Files, With, make
from hub.audit.bundle_file import packed
from hub.audit.bundle_question import Question, RangeNotThere
from hub.audit.outcome import Outcome, as_json
from hub.audit.report import pages, pdf
from hub.audit.requests.evidence import AuditFilesDiffer, files_of
from hub.audit.requests.folder import Folder
from hub.bench.tampering.bundles import ENTRIES, Members, records, refusals, repacked, unpacked
from hub.domain.audit_errors import AuditNotDelivered, AuditUnknown
from hub.domain.audit_request import AuditRequest
from hub.journal.recorder import AggregateStore
from tests.audit.sealing import Logged
from tests.audit.test_audit_requests import HAN, NOW, new
from tests.audit.test_outcome import OUTCOME
from tests.databases import fresh_database
from tests.recording import Recording, register_owners

OTHER = OUTCOME._replace(holds=False)


def delivered_of(outcome: Outcome, report: bytes) -> protos.AuditDelivered:
    """What is recorded of a delivery."""
    outcome_digest, report_digest = (hashlib.sha256(data).digest() for data in (as_json(outcome), report))
    return protos.AuditDelivered(outcome_digest=outcome_digest, report_digest=report_digest, recorded_as_of=1_200)


def run(store: AggregateStore, code: str, delivered: protos.AuditDelivered | None) -> AuditRequest:
    """A request that was approved, begun, and delivered where there is something."""
    audit = new(code=code)
    audit.approve(HAN, NOW)
    audit.begin_run("test/1", NOW)
    if delivered is not None:
        audit.deliver(delivered, NOW)
    store.save(audit)
    return audit


class Scene:
    """A sealed log with audits; *quick* is a policy that takes one key of the log."""

    def __init__(self, log: Logged) -> None:
        self.log, self.quick = log, log.policy_of(log.signers[0])
        self.report = pdf.render(OUTCOME)
        self.files: Files = (("outcome.json", as_json(OUTCOME)), ("report.pdf", self.report))
        with contextlib.closing(AggregateStore(log.dsn)) as store:
            run(store, "AU-1", delivered_of(OUTCOME, self.report))
            run(store, "AU-2", delivered_of(OTHER, pages.page(OTHER)))
            run(store, "AU-3", None)
        log.seal()
        self.members = unpacked(self.bundle("AU-1", self.files))

    def bundle(self, code: str, files: Files) -> bytes:
        """The bundle of an audit with some files."""
        file = io.BytesIO()
        make(self.log.connection, Question("audit", audit=code), With(self.log.policy, self.log.receipt_keys, files=files), file)
        return file.getvalue()

    def refused(self, members: Members) -> str:
        """The name by which both checkers refuse members put together."""
        strangers, own = refusals(repacked(members), self.quick)
        assert strangers == own
        return own


@pytest.fixture(scope="module")
def scene(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with (
        fresh_database(server_dsn, f"hub_audit_bundles_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)),
        contextlib.closing(Logged(dsn, tmp_path_factory.mktemp("keys"))) as log,
    ):
        register_owners(dsn)
        yield Scene(log)


def test_the_bundle_of_an_audit_is_verified_by_both(scene: Scene) -> None:
    assert refusals(repacked(scene.members), scene.log.policy) == ("", "")
    html = (("outcome.json", as_json(OTHER)), ("report.html", pages.page(OTHER)))
    assert refusals(scene.bundle("AU-2", html), scene.quick) == ("", "")


def test_a_report_in_anothers_place_is_named(scene: Scene) -> None:
    assert scene.refused({**scene.members, "audit/report.pdf": pdf.render(OTHER)}) == "REPORT_DIFFERS"
    assert scene.refused({**scene.members, "audit/outcome.json": as_json(OTHER)}) == "OUTCOME_DIFFERS"


@pytest.mark.parametrize("name", ["audit/report.pdf", "audit/outcome.json"])
def test_no_altered_byte_of_a_report_is_taken(scene: Scene, name: str) -> None:
    for seed in range(100):
        chosen, data = random.Random(seed), bytearray(scene.members[name])
        data[chosen.randrange(len(data))] ^= chosen.randrange(1, 256)
        wanted = "REPORT_DIFFERS" if name.endswith("pdf") else "OUTCOME_DIFFERS"
        assert scene.refused({**scene.members, name: bytes(data)}) == wanted, f"seed {seed}"


def test_a_file_that_is_missing_or_too_many_is_named(scene: Scene) -> None:
    without = {name: data for name, data in scene.members.items() if name != "audit/report.pdf"}
    assert scene.refused(without) == "MEMBER_MISSING"
    assert scene.refused({name: data for name, data in scene.members.items() if name != "audit/outcome.json"}) == "MEMBER_MISSING"
    assert scene.refused({**scene.members, "audit/zz": b"x"}) == "MEMBER_UNKNOWN"
    assert scene.refused({**without, "audit/report.html": scene.report, "audit/report.pdf": scene.report}) == "MEMBER_UNKNOWN"


def test_another_audit_and_one_without_its_steps_are_named(scene: Scene) -> None:
    question = scene.members["bundle.json"].replace(b'"AU-1"', b'"AU-2"')
    assert scene.refused({**scene.members, "bundle.json": question}) == "QUESTION_DIFFERS"
    whole = list(records(scene.members))
    assert len(whole) == 4
    for left_out in range(4):
        kept = [one for at, one in enumerate(whole) if at != left_out]
        assert scene.refused({**scene.members, ENTRIES: b"".join(map(packed, kept))}) in {"FEED_INCOMPLETE", "ROOT_DIFFERS"}


def test_an_audit_without_a_delivery_has_no_bundle(scene: Scene) -> None:
    with pytest.raises(AuditNotDelivered):
        scene.bundle("AU-3", ())
    for code in ("AU-9", "AU-x"):
        with pytest.raises((AuditUnknown, RangeNotThere)):
            scene.bundle(code, ())


def test_files_that_were_changed_after_the_delivery_are_refused(scene: Scene, tmp_path: Path) -> None:
    folder, said = Folder(tmp_path, "AU-1"), delivered_of(OUTCOME, scene.report)
    folder.make()
    folder.write(protos.AUDIT_PART_OUTCOME, as_json(OUTCOME))
    assert files_of(folder, said) == scene.files
    assert files_of(folder, delivered_of(OUTCOME, pages.page(OUTCOME)))[1][0] == "report.html"
    with pytest.raises(AuditFilesDiffer):
        files_of(folder, delivered_of(OUTCOME, b"%PDF-"))
    folder.write(protos.AUDIT_PART_OUTCOME, as_json(OTHER))
    with pytest.raises(AuditFilesDiffer):
        files_of(folder, said)
