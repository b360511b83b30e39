"""The console's page of the log, and what it gives to keep: a head, the verifier, a proof of an event, the evidence of an answer."""

import io
import tarfile
import time
from pathlib import Path

import psycopg
import pytest

from hub.audit.own_policy import own_policy
from hub.audit.verify import verify
from hub.console.workings import Workings
from hub.journal.reader import head_position
from hub.tlog import note, proof
from hub.tlog.note import Checkpoint
from tests.clients import DEADLINE_S
from tests.console.conftest import Scene, Visitor


@pytest.fixture(scope="module", autouse=True)
def _sealed(scene: Scene) -> None:
    """All that the scene recorded is sealed."""
    until = time.monotonic() + DEADLINE_S
    with psycopg.connect(scene.hub.dsn, autocommit=True) as connection:
        while True:
            row = connection.execute("SELECT COALESCE((SELECT max(size) FROM tlog.checkpoint), 0)").fetchone()
            if row is not None and row[0] > max(scene.accepted, scene.refused, scene.quarantined):
                return
            assert time.monotonic() < until
            time.sleep(0.05)


def test_the_page_says_how_far_the_log_is_sealed(auditor: Visitor) -> None:
    page = auditor.get("/audit/log?lang=en")
    assert "Sealed up to position" in page and "exchange.chuanyu/1" in page and "No witness has cosigned yet" in page
    auditor.client.cookies.set("lang", "en")


def test_what_it_gives_to_keep_is_whole(auditor: Visitor, scene: Scene) -> None:
    head = auditor.client.get("/audit/log/checkpoint")
    assert head.headers["content-disposition"].startswith('attachment; filename="checkpoint-')
    assert Checkpoint.parse(note.parse(head.content).text).size > scene.refused
    assert "def verify(" in auditor.client.get("/audit/log/verify").text
    given = auditor.client.get(f"/journal/{scene.refused}/proof")
    found = proof.parse(given.content)
    # Who has the file alone can follow its path: the name has the leaf.
    found.check(bytes.fromhex(given.headers["content-disposition"].partition("-leaf-")[2][:64]))
    with psycopg.connect(scene.hub.dsn) as connection:
        row = connection.execute("SELECT leaf FROM journal.event WHERE position = %s", (scene.refused,)).fetchone()
    assert row is not None
    found.check(bytes(row[0]))
    assert auditor.client.get("/journal/999999999/proof").status_code == 400


def test_the_evidence_of_an_answer_is_for_a_purpose_and_on_record(
    auditor: Visitor, scene: Scene, workings: Workings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(scene.hub.dsn) as connection:
        policy = b"# the one of the setting\n" + own_policy(connection, workings.config.keys_dir)
    (tmp_path / "policy").write_bytes(policy)
    monkeypatch.setattr(workings.config, "log_policy", tmp_path / "policy")
    address = f"/decisions/{scene.refused}/bundle"
    auditor.post("/purpose", handle=f"decision-{scene.refused}", purpose="AUDIT", back="/decisions")
    with psycopg.connect(scene.hub.dsn) as connection:
        before = head_position(connection)
    got = auditor.post(address)
    assert got.headers["content-disposition"] == f'attachment; filename="decision-{scene.refused}.hubaudit"'
    with psycopg.connect(scene.hub.dsn) as connection:
        made = connection.execute("SELECT count(*) FROM journal.event WHERE kind = 'bundle_made' AND position > %s", (before,)).fetchone()
    assert made == (1,)
    said: list[str] = []
    verify(io.BytesIO(got.content), policy, lambda zh, _en: said.append(zh))
    assert said
    with tarfile.open(fileobj=io.BytesIO(got.content)) as bundle:
        assert bundle.extractfile("policy").read() == policy  # type: ignore[union-attr]
