"""The command, files of totals, and what two writers of a day meet."""

import json
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.domain import reconciliation_errors as errors
from hub.journal.recorder import AggregateStore
from hub.reconciliation.desk import ReconciliationDesk
from hub.reconciliation.files import read_totals
from hub.reconciliation.reading import day_book
from hub.settlement.desk import of_operator
from tests.reconciliation.acting import DAY, Acting, at, fold
from tests.recording import Recording, register_owners

HEAD = "issuer_province,service_region,scenario,uses,amount_fen"


def test_a_file_of_totals_is_read_with_what_it_has() -> None:
    text = f"{HEAD},reversals,hash_total\r\n50,510100,TRA.QR,2,-500,0,18446744073709551615\r\n"
    (total,) = read_totals(text.encode())
    assert (total.service_region, total.uses, total.amount_fen, total.reversals, total.hash_total) == ("510100", 2, -500, 0, 2**64 - 1)
    assert not read_totals(f"{HEAD}\n".encode())


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (f"\ufeff{HEAD}\n".encode(), "1", "BYTE_ORDER_MARK"),
        (HEAD.encode("utf-16"), "1", "BYTE_ORDER_MARK"),
        (f"{HEAD}\r\n50,510100,TRA.QR,1,1\n".encode(), "1", "LINE_ENDS"),
        (f"{HEAD}\r50,510100,TRA.QR,1,1\r".encode(), "1", "LINE_ENDS"),
        (f"{HEAD}\n50,510100,TRA.QR,1,川\n".encode("gb18030"), "1", "ENCODING"),
        (b"", "1", "COLUMNS"),
        (f"{HEAD}\n50,510100,TRA.QR,1,1\u202850,510100,TRA.MET,1,1\n".encode(), "2", "COLUMNS"),
        (f"{HEAD}\u202850,510100,TRA.QR,1,1\n".encode(), "1", "COLUMNS"),
        (f"{HEAD}\n50,510100,TRA.QR,1,1\v50,510100,TRA.MET,1,1\n".encode(), "2", "COLUMNS"),
        (f"{HEAD}\n50,510100,{'A' * 131_073},1,1\n".encode(), "2", "COLUMNS"),
        (f'{HEAD}\n50,510100,"TRA.QR,1,1\n50,510100,TRA.MET,1,1\n'.encode(), "2", "COLUMNS"),
        (f"{HEAD},uses\n".encode(), "1", "COLUMNS"),
        (f"{HEAD}\n50,510100,TRA.QR,1\n".encode(), "2", "COLUMNS"),
        (f'{HEAD}\n50,510100,TRA.QR,"1,204",1\n'.encode(), "2", "NUMBER"),
        (f"{HEAD}\n50,510100,TRA.QR,1,2.00\n".encode(), "2", "NUMBER"),
        (f"{HEAD}\n50,510100,TRA.QR,1,1\n50,510100,TRA.MET,-1,1\n".encode(), "3", "NUMBER"),
    ],
)
def test_a_file_that_is_unfit_is_refused_with_its_line(content: bytes, line: str, why: str) -> None:
    with pytest.raises(errors.TotalsFileUnfit) as refused:
        read_totals(content)
    assert refused.value.metadata == {"line": line, "why": why}


def test_the_command_takes_totals_compares_and_closes(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUB_DSN", dsn)
    register_owners(dsn)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["reconcile", *arguments])
        return result.exit_code, result.output

    with closing(AggregateStore(dsn)) as store:
        Acting(journal, views, store).run([{"use": "a", "fen": 200}, {"totals": "51", "cells": []}])
    fold(views)
    file = tmp_path / "totals.csv"
    file.write_text(f"{HEAD}\n50,510100,TRA.QR,1,201\n", encoding="utf-8")
    code, said = run("totals", str(file), "--day", "2025-09-01", "--side", "51", "--version", "2", "--json")
    assert (code, json.loads(said.splitlines()[-1])["difference"]) == (0, [0, -1])
    assert json.loads(run("--day", "2025-09-01", "--dry", "--json")[1].splitlines()[-1])[1]["breaks"] == []
    code, said = run("--day", "2025-09-01", "--json")
    sides = json.loads(said.splitlines()[-1])
    assert [[one["class"] for one in side["breaks"]] for side in sides] == [["MISSING_TOTALS"], ["AMOUNT"]]
    code, said = run("explain", "BR-51-20250901-1", "--side", "51", "--reason", "FOO", "--operator", "li.lei")
    assert (code, "ENTERED_WRONG" in said, "ROUNDED" in said) == (1, True, True)
    assert run("explain", "BR-51-20250901-1", "--side", "51", "--reason", "ROUNDED", "--operator", "li.lei")[0] == 0
    said = run("--day", "2025-09-01", "--dry")[1]
    assert "差异 difference 50 → 51 TRA.QR: +0 次 uses -0.01 元 yuan" in said
    # What the record shows stays beside what the owner says.
    assert "证据 evidence: sc.usage#1" in said and said.index("the same count with other money") < said.index(
        "51 说明 says: ROUNDED 本方取整"
    )
    assert run("close", "BR-51-20250901-1", "--side", "51", "--operator", "li.lei")[0] == 0
    assert run("close", "BR-51-20250901-1", "--side", "51", "--operator", "li.lei")[0] == 1
    listed = json.loads(run("breaks", "--from", "2025-09-01", "--to", "2025-09-01", "--all", "--json")[1].splitlines()[-1])
    assert [(one["state"], one["cause"]) for one in listed] == [("OPEN", ""), ("CLOSED", "ACCEPTED")]
    assert "2025-09-01" in run("--day", "2025-09-01")[1]
    file.write_text(f"\ufeff{HEAD}\n", encoding="utf-8")
    assert run("totals", str(file), "--day", "2025-09-01", "--side", "51", "--version", "3")[0] == 1


def test_who_comes_second_on_a_day_is_refused_and_changes_nothing(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    register_owners(dsn)
    with closing(AggregateStore(dsn)) as store:
        acting = Acting(journal, views, store)
        acting.run([{"use": "a", "fen": 200}, {"totals": "51", "cells": []}])
        desk = ReconciliationDesk(views, store)
        acting.run([{"reconcile": "51", "breaks": ["LONG 50 510100 TRA.QR +1 +200 NOT_IN_TOTALS OPEN"]}])
        found = day_book(views, "51", DAY)
        assert found is not None
        found.assign(of_operator("51", "li.lei"), "BR-51-20250901-1", "50", at("2025-09-03 09:00"))
        acting.run([{"assign": "BR-51-20250901-1", "by": "51", "to": "51"}])
        with pytest.raises(errors.BreakChanged):
            desk._save(found)
        kept = day_book(views, "51", DAY)
        assert kept is not None and kept.break_of("BR-51-20250901-1").owner == "51"
