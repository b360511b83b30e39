"""Statements: what they hold, that they never change, and how both sides bring one to its end."""

import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as Xml

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from hub.audit.report.checking import attached
from hub.cli import app
from hub.commands import settle_screen
from hub.demo.statements import show_statements
from hub.domain import errors, reference, settlement_errors
from hub.domain.instants import LOCAL
from hub.domain.settlement.lines import digest_of, lines_of, net_fen, owed_fen
from hub.domain.settlement.statement import REASONS, UPHELD, WITHDRAWN, Statement, number_of
from hub.domain.usage import UsageCell
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.projections.engine import advance
from hub.projections.rebuild import rebuild
from hub.projections.views import usage_counts
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.settlement import files, reading
from hub.settlement.desk import SettlementDesk, of_operator
from hub.settlement.issuing import ends_at, stated_again
from hub.stage import Stage
from hub.words.settlement import DISPUTES
from tests.recording import AT_S, Recording, correcting, journey, recorded_with_their_events, register_owners, reversing, settlement
from tests.seeds import seeds

CHONGQING, SICHUAN = of_operator("50", "li.lei"), of_operator("51", "han.mei")
DAY = date(2025, 9, 1)
QR = reference.load().schemes.versions["QR"][-1]


def ride(card: str = "A00000001", fen: int = 200, issuer: str = "50", region: str = "510100", at_s: int = AT_S) -> event_pb2.Event:
    """A ride by QR code across the border."""
    event = journey(card, fen, at_s, region)
    event.scenario, event.card.issuing_province = "TRA.QR", issuer
    return event


@pytest.fixture
def desk(dsn: str, views: psycopg.Connection) -> Iterator[SettlementDesk]:
    with closing(AggregateStore(dsn)) as store:
        yield SettlementDesk(views, store)


def fold(views: psycopg.Connection) -> None:
    while advance(views, DAILY_USAGE):
        pass


def state(desk: SettlementDesk, views: psycopg.Connection, day: date = DAY, scheme: str = "QR") -> Statement:
    """What is due of a scheme through a day, cut now; the last of it."""
    fold(views)
    *_, made = desk.issue(scheme, day, now(), early=True)
    return made


def now() -> datetime:
    return datetime.now(UTC)


def line_texts(made: Statement) -> list[str]:
    return [
        f"{one.business_day} {one.issuer_province} {one.service_region} {one.uses} {one.amount_fen} {one.payer_province}"
        for one in made.issued.lines
    ]


# What a statement holds


def test_a_day_is_stated_with_what_each_side_owes(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(ride(fen=200), ride("A00000002", fen=300), ride("A00000003", 500, "51", "500103"), journey())
    journal.append(ride("A00000004", 90, region="500103"))
    made = state(desk, views)
    assert made.code == "ST-QR-1"
    assert line_texts(made) == ["2025-09-01 50 510100 2 500 50", "2025-09-01 51 500103 1 500 51"]
    assert (made.issued.owed_by_50_fen, made.issued.owed_by_51_fen, net_fen(made.issued)) == (500, 500, 0)
    assert (made.issued.after_position, made.issued.cut_position) == (0, 5)
    assert made.issued.digest == digest_of(made.issued)


def test_a_day_without_a_use_is_stated_too(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey())
    made = state(desk, views)
    assert (list(made.issued.lines), net_fen(made.issued), made.state) == ([], 0, "ISSUED")


def test_what_comes_late_stands_in_the_next_statement_under_its_day(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(ride(fen=200))
    first = state(desk, views)
    before = first.issued.SerializeToString()
    journal.append(ride("A00000002", fen=300), correcting(ride(fen=250), 1), ride("A00000003", fen=100, at_s=AT_S + 86_400))
    second = state(desk, views, DAY + timedelta(days=1))
    assert line_texts(second) == ["2025-09-01 50 510100 1 350 50", "2025-09-02 50 510100 1 100 50"]
    assert second.issued.after_position == first.issued.cut_position
    assert reading.find(views, "ST-QR-1").issued.SerializeToString() == before


def test_a_reversal_after_the_cut_is_a_line_below_zero(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(ride(fen=200))
    state(desk, views)
    journal.append(reversing(ride(), 1))
    made = state(desk, views, DAY + timedelta(days=1))
    assert line_texts(made) == ["2025-09-01 50 510100 -1 -200 50"]
    assert net_fen(made.issued, "51") == 200


def test_a_correction_of_the_scenario_moves_the_money_from_one_scheme_to_the_other(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(ride(fen=200))
    for scheme in ("QR", "TRANSIT"):
        state(desk, views, scheme=scheme)
    journal.append(correcting(journey(fare_fen=200), 1))
    lines = [line for scheme in ("QR", "TRANSIT") for line in line_texts(state(desk, views, DAY + timedelta(days=1), scheme))]
    assert lines == ["2025-09-01 50 510100 -1 -200 50", "2025-09-01 50 510100 1 200 "]


def test_what_a_national_platform_clears_is_a_memo(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> None:
    event = settlement()
    event.service_region, event.scenario = "510100", "MED.OP"
    journal.append(event)
    made = state(desk, views, scheme="MEDICAL")
    assert [(one.uses, one.amount_fen, one.payer_province) for one in made.issued.lines] == [(1, 8_600, "")]
    assert (made.is_memo, made.issued.owed_by_50_fen, made.issued.owed_by_51_fen) == (True, 0, 0)
    both_acknowledge(desk, made)
    with pytest.raises(settlement_errors.StatementNotPayable):
        desk.pay(made.code, CHONGQING, "P1", 8_600, now())


def test_days_that_were_left_out_are_made_up_for_each_at_its_own_cut(
    dsn: str, desk: SettlementDesk, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(ride(fen=200))
    journal.append(ride("A00000002", fen=300, at_s=AT_S + 86_400))
    journal.append(ride("A00000003", fen=400, at_s=AT_S + 2 * 86_400))
    with psycopg.connect(dsn, autocommit=True) as superuser:
        # Each is recorded on the evening of its own day.
        superuser.execute("UPDATE journal.event SET recorded_at = occurred_at + interval '1 hour'")
        recorded_with_their_events(superuser)
    fold(views)
    [first] = desk.issue("QR", DAY, now())
    second, third = desk.issue("QR", DAY + timedelta(days=2), now())
    assert [one.issued.cut_position for one in (first, second, third)] == [1, 2, 3]
    assert [line_texts(one)[0].split()[-2] for one in (first, second, third)] == ["200", "300", "400"]
    assert second.issued.cut_at.ToDatetime(UTC) == ends_at(QR, DAY + timedelta(days=1))
    assert reading.find_day(views, "QR", "2025-09-02").code == "ST-QR-2"


def test_a_statement_is_the_same_again_after_a_rebuild_and_late_facts(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(ride(fen=200), ride("A00000002", fen=300))
    made = state(desk, views)
    journal.append(reversing(ride(), 1), ride("A00000003"), correcting(ride("A00000002", fen=299), 2))
    fold(views)
    assert rebuild(views, DAILY_USAGE).is_equal
    assert stated_again(views, made) == made.issued


CELLS = st.dictionaries(
    st.builds(UsageCell, st.just("2025-09-01"), st.sampled_from(["50", "51", ""]), st.sampled_from(["510100", "500103", "", "110000"]),
              st.sampled_from(["TRA.QR", "TRA.MET", "MED.OP", "FND.PAY"])),
    st.tuples(st.integers(-9, 9), st.integers(-(10**12), 10**12)),
)  # fmt: skip


@given(CELLS)
def test_what_one_side_pays_the_other_receives(changed: dict[UsageCell, tuple[int, int]]) -> None:
    for scheme in reference.load().schemes.in_force(DAY):
        lines = lines_of(changed, scheme)
        sums = [owed_fen(lines, side) for side in ("50", "51")]
        assert sum(sums) == (0 if scheme.is_memo else sum(one.amount_fen for one in lines))
        assert {one.service_region[:2] for one in lines} | {one.issuer_province for one in lines} <= {"50", "51"}
        assert all(one.issuer_province != one.service_region[:2] for one in lines)


@seeds(4)
def test_statements_together_are_all_facts_and_none_twice(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection, seed: int
) -> None:
    dice, day = random.Random(seed), DAY
    sent: list[tuple[int, event_pb2.Event]] = []
    journal.append(journey())
    for number in range(30):
        step = dice.choice(["ride", "ride", "correct", "reverse", "repeat", "state"])
        if step == "ride" or (not sent and step != "state"):
            sides = dice.choice([("50", "510100"), ("51", "500103"), ("50", "500103")])
            one = ride(f"A{number:08}", 100 + number, *sides, AT_S + dice.randrange(-48, 48) * 3_600)
            sent.append((journal.next_sequence("cq.usage"), one))
            journal.append(one)
        elif step == "state":
            state(desk, views, day)
            day += timedelta(days=1)
        else:
            sequence, one = dice.choice(sent)
            other = event_pb2.Event.FromString(one.SerializeToString())
            other.transit_journey_completed.fare_paid_fen += number
            journal.append({"correct": correcting(other, sequence), "reverse": reversing(one, sequence), "repeat": one}[step])
    state(desk, views, day)
    together: dict[tuple[str, ...], tuple[int, int]] = {}
    for line in (line for made in reading.listed(views, "QR") for line in made.issued.lines):
        cell = (line.business_day, line.issuer_province, line.service_region, line.scenario)
        uses, fen = together.get(cell, (0, 0))
        together[cell] = (uses + line.uses, fen + line.amount_fen)
    rows = views.execute(_ACROSS).fetchall()
    assert {cell: one for cell, one in together.items() if one != (0, 0)} == {tuple(row[:4]): (row[4], int(row[5])) for row in rows}


_ACROSS = """
    SELECT day, issuer, region, scenario, uses, amount_fen FROM views.daily_usage
    WHERE scenario = 'TRA.QR' AND issuer <> left(region, 2) AND (uses, amount_fen) <> (0, 0)"""


# What is refused


@pytest.mark.parametrize(
    ("scheme", "day", "early", "refusal"),
    [
        ("NONE", DAY, True, settlement_errors.SchemeUnknown),
        ("FUND", date(2024, 12, 31), True, settlement_errors.SchemeUnknown),
        ("QR", date(2999, 1, 1), False, settlement_errors.WindowNotEnded),
        ("QR", date(2025, 9, 1), False, settlement_errors.WindowBefore),
    ],
)
def test_a_window_that_cannot_be_stated_is_refused(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection, scheme: str, day: date, early: bool, refusal: type[Exception]
) -> None:
    journal.append(ride())
    fold(views)
    head = head_position(views)
    with pytest.raises(refusal):
        list(desk.issue(scheme, day, now(), early=early))
    assert head_position(views) == head


def test_schemes_that_are_cut_together_read_what_changed_once(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(ride(fen=200), journey(region="510100"))
    fold(views)
    asked = []
    real = usage_counts.changed
    monkeypatch.setattr("hub.settlement.desk.changed", lambda *window: asked.append(window) or real(*window))
    made = [one for scheme in ("QR", "TRANSIT") for one in desk.issue(scheme, DAY, now(), early=True)]
    assert ([len(one.issued.lines) for one in made], len(asked)) == ([1, 1], 1)


def test_a_day_is_stated_once(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(ride())
    state(desk, views)
    with pytest.raises(settlement_errors.WindowAlreadyStated) as refused:
        state(desk, views)
    assert refused.value.metadata == {"through": "2025-09-01", "statement": "ST-QR-1"}


def test_of_all_schemes_those_that_are_stated_are_shown_and_the_others_issued(
    desk: SettlementDesk, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(ride())
    early = state(desk, views)
    every = desk.issue_all(DAY, now(), early=True)
    assert [one.code for one in every] == ["ST-COUPON-1", "ST-FUND-1", "ST-MEDICAL-1", "ST-QR-1", "ST-TRANSIT-1"]
    assert every[3].issued == early.issued
    assert [one.code for one in desk.issue_all(DAY, now())] == [one.code for one in every]
    with pytest.raises(settlement_errors.WindowAlreadyStated):
        desk.issue_all(DAY - timedelta(days=1), now())


def test_the_demo_shows_the_statement_that_somebody_had_issued_before(
    dsn: str, desk: SettlementDesk, journal: Recording, views: psycopg.Connection, tmp_path: Path
) -> None:
    register_owners(dsn)
    journal.append(ride())
    today = datetime.now(LOCAL).date()
    state(desk, views, today - timedelta(days=1))
    state(desk, views, today)
    screen = Console(record=True, width=200, file=io.StringIO())
    assert show_statements(Stage(tmp_path, dsn, {}), screen) == []
    said = screen.export_text()
    assert "ST-QR-2 ✓" in said and "ST-COUPON-1" in said


def test_counts_that_are_behind_the_cut_are_no_statement(dsn: str, desk: SettlementDesk, journal: Recording) -> None:
    journal.append(ride())
    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute("UPDATE journal.event SET recorded_at = occurred_at")
        recorded_with_their_events(superuser)
    with pytest.raises(errors.ViewBehind):
        list(desk.issue("QR", DAY, now()))


def test_an_early_cut_is_where_the_counts_are(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(ride(fen=200))
    fold(views)
    journal.append(ride("A00000002", fen=300))
    [made] = desk.issue("QR", DAY, now(), early=True)
    assert (made.issued.cut_position, line_texts(made)) == (1, ["2025-09-01 50 510100 1 200 50"])


def test_counts_that_nobody_ever_made_are_no_statement(dsn: str, journal: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.append(ride())
    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute("DROP TABLE views.checkpoint")
    monkeypatch.setenv("HUB_DSN", dsn)
    for command in ("settle", "reconcile"):
        result = CliRunner().invoke(app, [command, "--day", "2025-09-01"])
        assert (result.exit_code, "✗" in result.output) == (1, True)


@pytest.mark.parametrize("code", ["ST-QR-1", "ST-QR-0", "QR", "ST-", "ST-QR-1x", "ST-QR-99999999999"])
def test_a_statement_that_is_not_there_is_unknown(views: psycopg.Connection, code: str) -> None:
    with pytest.raises(settlement_errors.StatementUnknown):
        reading.find(views, code)


# What both sides say of it


def both_acknowledge(desk: SettlementDesk, made: Statement) -> Statement:
    desk.acknowledge(made.code, CHONGQING, made.issued.digest, now())
    return desk.acknowledge(made.code, SICHUAN, made.issued.digest, now())


@pytest.fixture
def made(desk: SettlementDesk, journal: Recording, views: psycopg.Connection) -> Statement:
    journal.append(ride(fen=200), ride("A00000003", 500, "51", "500103"))
    return state(desk, views)


def test_both_acknowledge_and_who_owes_the_net_pays_it(desk: SettlementDesk, made: Statement) -> None:
    assert both_acknowledge(desk, made).state == "ACKNOWLEDGED"
    paid = desk.pay(made.code, SICHUAN, "20260303-0001", 300, now())
    assert (paid.state, [kind for kind, _, _ in paid.steps]) == (
        "PAID",
        ["statement_issued", "statement_acknowledged", "statement_acknowledged", "statement_payment_reported"],
    )


def test_a_dispute_is_ended_by_its_own_side_or_found_right_by_the_other(desk: SettlementDesk, made: Statement) -> None:
    assert desk.dispute(made.code, CHONGQING, 1, "AMOUNT_DIFFERS", now()).state == "DISPUTED"
    with pytest.raises(settlement_errors.StatementDisputeOpen):
        desk.acknowledge(made.code, CHONGQING, made.issued.digest, now())
    for party, outcome in ((CHONGQING, UPHELD), (SICHUAN, WITHDRAWN)):
        with pytest.raises(settlement_errors.DisputeEndsOtherwise) as refused:
            desk.resolve(made.code, party, 1, outcome, now())
        assert refused.value.metadata == {"line": "1", "raised_by": "50"}
    assert desk.resolve(made.code, SICHUAN, 1, UPHELD, now()).state == "ISSUED"
    desk.dispute(made.code, CHONGQING, 1, "AMOUNT_DIFFERS", now())
    with pytest.raises(settlement_errors.LineDisputedAlready):
        desk.dispute(made.code, SICHUAN, 1, "AMOUNT_DIFFERS", now())
    with pytest.raises(settlement_errors.StatementDisputeOpen):
        desk.pay(made.code, SICHUAN, "P1", 300, now())
    desk.resolve(made.code, CHONGQING, 1, WITHDRAWN, now())
    assert [one.outcome for one in both_acknowledge(desk, made).disputes] == [UPHELD, WITHDRAWN]


def test_steps_that_do_not_follow_are_refused(desk: SettlementDesk, made: Statement) -> None:
    def refused(kind: type[Exception], step: Callable[[], object]) -> None:
        with pytest.raises(kind):
            step()

    refused(settlement_errors.StatementDiffers, lambda: desk.acknowledge(made.code, CHONGQING, bytes(32), now()))
    refused(settlement_errors.StatementNotAcknowledged, lambda: desk.pay(made.code, SICHUAN, "P1", 300, now()))
    refused(settlement_errors.StatementLineUnknown, lambda: desk.dispute(made.code, SICHUAN, 3, "AMOUNT_DIFFERS", now()))
    refused(settlement_errors.LineNotDisputed, lambda: desk.resolve(made.code, SICHUAN, 1, WITHDRAWN, now()))
    refused(errors.RequestInvalid, lambda: desk.dispute(made.code, SICHUAN, 1, "no code", now()))
    refused(errors.RequestInvalid, lambda: desk.acknowledge(made.code, of_operator("52", "li.lei"), made.issued.digest, now()))
    refused(settlement_errors.DisputeReasonUnknown, lambda: desk.dispute(made.code, SICHUAN, 1, "FOO", now()))
    both_acknowledge(desk, made)
    refused(settlement_errors.StatementAcknowledgedAlready, lambda: desk.acknowledge(made.code, SICHUAN, made.issued.digest, now()))
    refused(settlement_errors.StatementNotDisputable, lambda: desk.dispute(made.code, SICHUAN, 1, "AMOUNT_DIFFERS", now()))
    refused(settlement_errors.PaymentDiffers, lambda: desk.pay(made.code, SICHUAN, "P1", 299, now()))
    refused(settlement_errors.PaymentDiffers, lambda: desk.pay(made.code, CHONGQING, "P1", 300, now()))
    desk.pay(made.code, SICHUAN, "P1", 300, now())
    refused(settlement_errors.StatementNotPayable, lambda: desk.pay(made.code, SICHUAN, "P1", 300, now()))


def test_the_screen_says_which_line_is_disputed_by_whom_and_why(
    desk: SettlementDesk, made: Statement, capsys: pytest.CaptureFixture[str]
) -> None:
    open_one = desk.dispute(made.code, CHONGQING, 2, "AMOUNT_DIFFERS", datetime(2026, 3, 3, 1, tzinfo=UTC))
    settle_screen.show(open_one)
    said = "对结算单一行提出争议 statement line disputed: 50 li.lei 行 line 2 AMOUNT_DIFFERS 金额不同 other money"
    assert f"2026-03-03T09:00:00+08:00 {said}" in capsys.readouterr().out
    shown = settle_screen.as_json(open_one)
    assert shown["disputes"] == [{"line": 2, "raised_by": "50", "person": "li.lei", "reason": "AMOUNT_DIFFERS", "outcome": "OPEN"}]
    ended = desk.resolve(made.code, CHONGQING, 2, WITHDRAWN, now())
    settle_screen.show(ended)
    assert "50 li.lei 行 line 2 撤回 withdrawn" in capsys.readouterr().out
    assert settle_screen.as_json(ended)["disputes"][0]["outcome"] == "WITHDRAWN"  # type: ignore[index]
    one_side = desk.acknowledge(made.code, CHONGQING, made.issued.digest, now())
    assert settle_screen.state_words(one_side) == "50 已确认，待 51 确认 acknowledged by 50, waits for 51"
    assert settle_screen.state_words(desk.acknowledge(made.code, SICHUAN, made.issued.digest, now())) == "双方已确认 acknowledged"


def test_each_reason_of_a_dispute_has_words_and_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settlement.md").read_text(encoding="utf-8")
    assert tuple(DISPUTES) == REASONS
    assert [code for code, (zh, en) in DISPUTES.items() if f"| {code} | {zh} {en} |" not in page] == []


# As files, and by command


def test_files_have_the_money_of_the_statement(made: Statement) -> None:
    assert files.as_csv(made).splitlines() == [
        "line,business_day,issuer_province,service_region,scenario,uses,amount_fen,payer_province",
        "1,2025-09-01,50,510100,TRA.QR,1,200,50",
        "2,2025-09-01,51,500103,TRA.QR,1,500,51",
    ]
    for side, net, signs in (("50", "CRDT", ["DBIT", "CRDT"]), ("51", "DBIT", ["CRDT", "DBIT"])):
        space = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"}
        root = Xml.fromstring(files.as_camt054(made, side))  # noqa: S314 (our own text)
        assert [one.text for one in root.findall(".//c:Ntry/c:Amt", space)] == ["2.00", "5.00"]
        assert [one.text for one in root.findall(".//c:Ntry/c:CdtDbtInd", space)] == signs
        assert [one.text for one in root.findall(".//c:TxsSummry/c:TtlNtries/*", space)] == ["2", "3.00", net]


def test_the_command_issues_shows_acknowledges_and_checks_again(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["settle", *arguments])
        return result.exit_code, result.output

    journal.append(ride(fen=200))
    fold(views)
    code, said = run("--day", "2025-09-01", "--scheme", "QR", "--early", "--json")
    assert (code, [one["net_50_to_51_fen"] for one in json.loads(said.splitlines()[-1])]) == (0, [200])
    assert run("acknowledge", "ST-QR-1", "--side", "50", "--operator", "li.lei")[0] == 0
    assert "510100" in run("show", "ST-QR-1")[1]
    assert run("show", "ST-QR-1", "--pdf", str(tmp_path / "statement.pdf"))[0] == 0
    checked = CliRunner().invoke(app, ["audit", "check-report", str(tmp_path / "statement.pdf"), "--json"])
    assert (checked.exit_code, "ST-QR-1" in attached((tmp_path / "statement.pdf").read_bytes())["outcome.json"].decode()) == (0, True)
    assert json.loads(run("list", "--json")[1].splitlines()[-1])[0]["acknowledged_by"] == ["50"]
    code, said = run("verify", "ST-QR-1", "--json")
    assert (code, json.loads(said.splitlines()[-1])["equal"]) == (0, True)
    code, said = run("--day", "2025-09-01", "--scheme", "QR", "--early")
    assert (code, "已出账" in said, "statement=ST-QR-1" in said) == (1, True, True)
    assert run("--day", "2025-09-31")[0] == 2
    assert "--early" in run("--day", "2999-01-01")[1]
    assert run("dispute", "ST-QR-1", "1", "--side", "51", "--operator", "han.mei")[0] == 0
    assert "known=AMOUNT_DIFFERS" in run("dispute", "ST-QR-1", "1", "--side", "51", "--reason", "FOO", "--operator", "han.mei")[1]
    assert run("resolve", "ST-QR-1", "1", "--side", "51", "--operator", "han.mei")[0] == 2
    code, said = run("resolve", "ST-QR-1", "1", "--side", "51", "--upheld", "--operator", "han.mei")
    assert (code, "--withdrawn" in said, "raised_by=51" in said) == (1, True, True)
    assert "QR" in run("schemes")[1]


def test_codes_are_read_as_people_write_them() -> None:
    assert number_of("st-qr-12") == ("QR", 12)
