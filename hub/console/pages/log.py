"""The log: how far it is sealed and by whom cosigned, its heads, and what anybody needs to check it; proofs and bundles as files."""

import tempfile
from pathlib import Path

from hub.audit import verify
from hub.audit.bundle import With
from hub.audit.bundle_handing import Asked, hand_over
from hub.audit.bundle_question import of_decision
from hub.audit.log_overview import Head, WitnessState, heads, witness_states
from hub.audit.own_policy import own_policy
from hub.audit.sealed import cosigned_size, inclusion, newest
from hub.audit.verdicts import last
from hub.console.page import CONSOLE, File, Page, PageForbidden, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.instants import microseconds_of
from hub.domain.looks import Looker
from hub.domain.looks import Shown as ShownRecord
from hub.journal.archived import all_segments
from hub.journal.reader import events_at, head_position
from hub.monitoring.vitals import read_log
from hub.trust.receipt_keys import read_receipt_keys

TEXT, BUNDLE = "text/plain; charset=utf-8", "application/x-tar"


def log(page: Page) -> Shown:
    """Shows how far the log is."""
    with page.reading() as connection:
        head, vitals = head_position(connection), read_log(connection)
        signed, witnesses, away = heads(connection), witness_states(connection), all_segments(connection)
    verdict = last(page.workings.config.data_dir)
    values = {
        "log": vitals,
        "newest": signed[0] if signed else None,
        "sealed_at": page.at(microseconds_of(signed[0].sealed_at)) if signed else "—",
        "cosigned": max((one.size for one in witnesses), default=0),
        "verdict": verdict,
        "archived": (away[-1].last, len(away)) if away else None,
        "checked": page.at(verdict.at_us) if verdict is not None else "",
    }
    return Shown(
        "log", page.t("可验证日志", "Verifiable log"), values, (_witnesses(page, witnesses), _heads(page, signed)), head, is_live=True
    )


def _witnesses(page: Page, found: list[WitnessState]) -> Table:
    columns = (
        Column("witness", "见证", "Witness"),
        Column("size", "联署大小", "Cosigned size", "number"),
        Column("at", "何时", "When", "time"),
        Column("heads", "联署过", "Heads cosigned", "number"),
    )
    rows = [(one.name, one.size, page.at(microseconds_of(one.at)), one.heads) for one in found]
    return table("witnesses", columns, rows)


def _heads(page: Page, found: list[Head]) -> Table:
    columns = (
        Column("size", "大小", "Size", "number"),
        Column("root", "根", "Root", "code"),
        Column("sealed", "封存", "Sealed", "time"),
        Column("witnesses", "联署", "Cosigned by"),
    )
    comma = page.t("、", ", ")
    by = [Cell(comma.join(one.witnesses), mark="fine") if one.witnesses else Cell("—") for one in found]
    rows = [(one.size, one.root.hex(), page.at(microseconds_of(one.sealed_at)), who) for one, who in zip(found, by, strict=True)]
    return table("heads", columns, rows)


def checkpoint(page: Page) -> File:
    """Gives the newest head with all signatures; raises NothingSealed."""
    with page.reading() as connection:
        sealed = newest(connection)
    return File(f"checkpoint-{sealed.size}.txt", sealed.note.format(), TEXT)


def verifier(_: Page) -> File:
    """Gives the program that checks a bundle anywhere."""
    return File("verify.py", Path(verify.__file__).read_bytes(), TEXT)


def proof(page: Page) -> File:
    """Gives the proof that an event is in the log, without its content; raises NotSealedYet."""
    position = page.whole("position")
    with page.reading() as connection:
        found, leaf = inclusion(connection, position, cosigned_size(connection, position))
    # Without the leaf nobody can follow the path, and the format of the file has no place for it.
    return File(f"position-{position}-leaf-{leaf.hex()}.tlog-proof", found.format(), TEXT)


def bundle(page: Page) -> File:
    """Gives the evidence of a decision; that it was made, for whom and what for, is recorded before. Raises PurposeNeeded and others."""
    position, workings = page.whole("position"), page.workings
    with page.reading() as connection:
        question = of_decision(connection, position)
        policy = own_policy(connection, workings.config.keys_dir, workings.config.log_policy)
        (recorded,) = events_at(connection, [position])
    if not page.may_see(recorded.event.card.issuing_province):
        raise PageForbidden
    keys = read_receipt_keys(workings.config.keys_dir)
    purpose = page.purpose(f"decision-{position}", recorded.event.card)
    page.look(f"decision-{position}", recorded.event.card, ShownRecord.SHOWN_RECORD_EXPLANATION, position)
    asked = Asked(Looker(CONSOLE, page.account.name), purpose, recorded.event.card)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"decision-{position}.hubaudit"
        hand_over(workings.dsn, question, asked, With(policy, keys), target, with_rules=True)
        return File(target.name, target.read_bytes(), BUNDLE)
