"""The scenario files, each three ways: pure, on PostgreSQL, over gRPC; and what the format refuses."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import event_pb2
from rich.console import Console

from hub.audit.replay.decided_again import Period, decide_again
from hub.audit.replay.progress import unseen
from hub.domain.event_rules import HUB_KINDS
from hub.domain.reference import load
from hub.domain.rules import RULES
from hub.scenarios.command import tell
from hub.scenarios.filling import Names, local_instant
from hub.scenarios.on_postgres import OnPostgres
from hub.scenarios.over_grpc import OverGrpc
from hub.scenarios.page import page_of
from hub.scenarios.pure import Pure
from hub.scenarios.reading import ScenariosMissing, read_directory, read_file, read_text
from hub.scenarios.refusing import ScenarioInvalid
from hub.scenarios.running import Result, Stand, compare, run_all
from hub.scenarios.scenario import Scenario
from hub.trust.keyring import open_keyring
from hub.words.kinds import KINDS
from tests.databases import fresh_database
from tests.hub_process import RunningHub
from tests.seeds import of_each, one_in, these

DIRECTORY = Path(__file__).parents[1] / "scenarios"
SCENARIOS = read_directory(DIRECTORY)
FILES = [scenario.file for scenario in SCENARIOS]


def has(scenario: Scenario) -> set[object]:
    """Each kind of event and question, each reason and each rule of the quarantine that is in a file."""
    return (
        {step.kind for step in scenario.given}
        | {step.quarantined for step in scenario.given}
        | {("asked", ask.kind) for ask in scenario.when}
        | {("for", reason) for ask in scenario.when for reason in ask.then.get("reasons", ())}
    )


# One way of three is as sure as another of what is decided: what passes over gRPC in each run is a file of everything there is.
OF_EACH = of_each({scenario.file: has(scenario) for scenario in SCENARIOS})
COUNTING_FIRST = sorted(SCENARIOS, key=lambda scenario: not scenario.is_counting)


@pytest.fixture(scope="module")
def on_postgres(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPostgres]:
    with fresh_database(server_dsn, f"hub_scenarios_{os.getpid()}") as dsn:
        way = OnPostgres(dsn, open_keyring(tmp_path_factory.mktemp("scenarios") / "keys"))
        yield way
        way.close()


@pytest.fixture(scope="module")
def over_grpc(request: pytest.FixtureRequest, shared_hub: RunningHub) -> Iterator[dict[str, Result]]:
    """What became of the files of each kind and of those that this run asks about."""
    asked = OF_EACH | {
        item.callspec.params["file"] for item in request.session.items if getattr(item, "originalname", "") == "test_over_grpc"
    }
    way = OverGrpc(shared_hub.targets[0], shared_hub.dsn, shared_hub.data_dir)
    yield {result.scenario.file: result for result in run_all(way, [scenario for scenario in SCENARIOS if scenario.file in asked])}
    way.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=FILES)
def test_pure(scenario: Scenario) -> None:
    assert compare(scenario, Pure().tell(scenario)) == []


@pytest.mark.parametrize("scenario", one_in(12, COUNTING_FIRST), ids=lambda scenario: scenario.file)
def test_on_postgres(scenario: Scenario, on_postgres: OnPostgres) -> None:
    assert run_all(on_postgres, [scenario])[0].problems == []


@pytest.mark.parametrize("file", these(OF_EACH, FILES))
def test_over_grpc(file: str, over_grpc: dict[str, Result]) -> None:
    assert over_grpc[file].problems == []


@pytest.mark.usefixtures("over_grpc")
def test_each_answer_of_the_files_is_the_same_when_it_is_decided_again(shared_hub: RunningHub) -> None:
    found = decide_again(shared_hub.dsn, Period(1, 1 << 62), (), unseen, 1, 16)
    assert (found.answers > 100, found.different, found.differences) == (True, 0, [])


def test_the_page_is_that_of_the_files() -> None:
    page = (DIRECTORY.parent.parent / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert page == page_of(SCENARIOS), "run: .venv/bin/hub scenarios --write-docs"


def test_every_kind_of_event_in_the_files_has_words() -> None:
    assert {step.kind for scenario in SCENARIOS for step in scenario.given} <= set(KINDS)


def test_the_sources_of_the_files_are_listed() -> None:
    listed = (DIRECTORY.parent.parent / "docs" / "sources.md").read_text(encoding="utf-8")
    cited = {tag for scenario in SCENARIOS for source in scenario.source for tag in re.findall(r"\[(S[0-9]+)\]", source)}
    assert [tag for tag in sorted(cited) if not re.search(rf"\b{tag}\b", listed)] == []


def test_people_are_made_up() -> None:
    holders = [step.envelope["holder"] for scenario in SCENARIOS for step in scenario.given if "holder" in step.envelope]
    assert {holder[:6] for holder in holders} <= {"500199", "510199"}


def test_every_rule_has_a_file_that_gives_each_of_its_reasons() -> None:
    given = {code for scenario in SCENARIOS for ask in scenario.when for code in ask.then.get("reasons", ())}
    # OK is no reason of a rule; in both provinces the social function survives the day a card expires on.
    assert set(load().reasons) - {"OK", "CARD_EXPIRED"} <= given


def test_every_rule_has_a_file_with_both_its_sides() -> None:
    spoken: dict[str, set[bool]] = {rule.rule_id: set() for rule in RULES}
    for scenario in SCENARIOS:
        answers = [{load().reason(code).rule for code in ask.then["reasons"]} for ask in scenario.when if ask.kind == "acceptance"]
        for rule_id in set().union(*answers):
            spoken[rule_id] |= {rule_id in answer for answer in answers}
    assert [rule_id for rule_id, sides in spoken.items() if len(sides) < 2] == []


def test_no_field_of_a_kind_is_called_like_one_of_a_step() -> None:
    kinds = event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields
    names = {field.name for kind in kinds if kind.message_type for field in kind.message_type.fields if kind.name not in HUB_KINDS}
    assert not names & {"at", "by", "card", "kind", "arrives", "id", "quarantined"}


# What the format refuses

WHOLE = """
id = "X"
title = {zh = "标题", en = "Title"}
source = "A01"
[cards]
card = {issuer = "50", number = "A00000001"}
[[given]]
at = "2025-09-01 08:00"
by = "50"
card = "card"
kind = "card_registered"
status = "ACTIVE"
generation = "THIRD"
card_kind = "REGULAR"
[[when]]
card = "card"
scenario = "GOV.ID"
region = "510100"
medium = "CONTACT"
at = "2025-09-01 09:00"
[when.then]
outcome = "ACCEPT"
"""


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('id = "X"', "", "x.toml, id: is missing"),
        ('id = "X"', 'id = "X"\ncolour = "red"', "x.toml, colour: is no field here"),
        ('id = "X"', "id = X", "x.toml: not TOML"),
        ('en = "Title"', 'fr = "Titre"', "x.toml, title, en: is missing"),
        ('"A00000001"', '"A1"', "x.toml, cards.card, number: is no card number"),
        ('issuer = "50"', 'issuer = "22"', "x.toml, cards.card, issuer: '22' is no value"),
        ('by = "50"', 'by = "22"', "x.toml, given 1 (card_registered), by: '22' is no province or feed"),
        ('at = "2025-09-01 08:00"', 'at = "yesterday"', "x.toml, given 1 (card_registered), at: is no time"),
        ('"card_registered"', '"card_lost"', "x.toml, given 1, kind: 'card_lost' is no kind of event"),
        ('"card_registered"', '"decision_made"', "x.toml, given 1, kind: decision_made is decided by the hub"),
        ('status = "ACTIVE"', 'status = "GOOD"', "x.toml, given 1 (card_registered), status: 'GOOD' is none of: APPLIED"),
        ('status = "ACTIVE"', "status = 5", "x.toml, given 1 (card_registered), status: 5 is none of"),
        ('status = "ACTIVE"', 'state = "ACTIVE"', "x.toml, given 1 (card_registered), state: neither card_registered nor the envelope"),
        ('generation = "THIRD"', 'transit_enabled = "yes"', "given 1 (card_registered), transit_enabled: 'yes' is no true or false"),
        ('by = "50"\ncard = "card"', 'by = "50"\ncard = "other"', "given 1 (card_registered), card: 'other' is no card of this file"),
        ('by = "50"', 'by = "50"\narrives = "2025-09-01 07:00"', "x.toml, given 1 (card_registered), arrives: before it happened"),
        ('by = "50"', 'by = "50"\ncorrects = "wrong"', "x.toml, given 1 (card_registered), corrects: 'wrong' is no step of this file"),
        ('by = "50"', 'by = "50"\nid = "me"\ncorrects = "me"', "x.toml, given 1 (card_registered), corrects: is the step itself"),
        ('[[when]]\ncard = "card"', '[[when]]\ncard = "other"', "x.toml, when 1, card: 'other' is no card of this file"),
        ('"GOV.ID"', '"GOV.TEA"', "x.toml, when 1, scenario: 'GOV.TEA' is no scenario"),
        ('"510100"', '"999999"', "x.toml, when 1, region: '999999' is no region"),
        ('"CONTACT"', '"TOUCH"', "x.toml, when 1, medium: 'TOUCH' is no medium; one of: CONTACT"),
        ('"CONTACT"', '"CONTACT"\nclaims = {insured = 1}', "x.toml, when 1, claims.insured: 1 is no true or false"),
        ('"CONTACT"', '"CONTACT"\nclaims = {rich = true}', "x.toml, when 1, claims.rich: there is no such field"),
        ('"CONTACT"', '"CONTACT"\nask = "weather"', "x.toml, when 1, ask: 'weather' is no kind of question"),
        ('outcome = "ACCEPT"', "", "x.toml, when 1 then, outcome: is missing"),
        ('outcome = "ACCEPT"', 'outcome = "MAYBE"', "x.toml, when 1 then, outcome: 'MAYBE' is no outcome"),
        ('outcome = "ACCEPT"', 'outcome = "DENY"\nreasons = ["TIRED"]', "x.toml, when 1 then, reasons: 'TIRED' is no reason"),
        ('outcome = "ACCEPT"', 'outcome = "DENY"\nreasons = "LOCKED"', "x.toml, when 1 then, reasons: is no list"),
    ],
)
def test_a_bad_file_is_refused_with_file_step_and_field(was: str, becomes: str, said: str) -> None:
    assert was in WHOLE
    with pytest.raises(ScenarioInvalid) as refused:
        read_text("x.toml", WHOLE.replace(was, becomes, 1))
    assert said in str(refused.value)


def test_a_bad_agreement_is_refused() -> None:
    terms = '[[agreements]]\ncode = "X"\nscenarios = ["CON.CPN"]\nissuer_provinces = ["50"]\nserving_provinces = ["51"]\n'
    with pytest.raises(ScenarioInvalid, match="agreements 1, media: 'TOUCH' is none of"):
        read_text("x.toml", WHOLE + terms + 'valid_from = "2025-09-01 00:00"\nmedia = ["TOUCH"]\n')


def test_an_agreement_is_not_resumed_before_it_is_suspended() -> None:
    terms = '[[agreements]]\ncode = "X"\nscenarios = ["CON.CPN"]\nissuer_provinces = ["50"]\nserving_provinces = ["51"]\n'
    with pytest.raises(ScenarioInvalid, match="agreements 1: The agreement is not suspended"):
        read_text("x.toml", WHOLE + terms + 'valid_from = "2025-09-01 00:00"\nresumed_at = "2025-10-01 00:00"\n')


def test_one_label_is_given_once(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(WHOLE, encoding="utf-8")
    with pytest.raises(ScenarioInvalid, match=r"b\.toml, id: a\.toml has 'X' already"):
        read_directory(tmp_path)


def test_a_directory_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScenariosMissing, match="run in a source tree, or name the directory with --dir"):
        read_directory(tmp_path / "nowhere")


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenariosMissing):
        read_directory(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes("id = '标'".encode("gb18030"))
    with pytest.raises(ScenarioInvalid, match=r"x\.toml: not UTF-8"):
        read_file(tmp_path / "x.toml")


# What may be written


@pytest.mark.parametrize("at", ['"2025-09-01 08:00"', '"2025-09-01T08:00:00+08:00"', "2025-09-01T08:00:00", "2025-09-01T00:00:00Z"])
def test_times_are_those_of_both_provinces_unless_they_say_otherwise(at: str) -> None:
    assert read_text("x.toml", WHOLE.replace('"2025-09-01 08:00"', at)).given[0].at_us == 1_756_684_800_000_000


@pytest.mark.parametrize("birth_date", ['"1955-03-01"', "1955-03-01"])
def test_a_date_may_be_written_with_or_without_quotes(birth_date: str) -> None:
    step = read_text("x.toml", WHOLE.replace('status = "ACTIVE"', f'status = "ACTIVE"\nbirth_date = {birth_date}')).given[0]
    assert step.event(Names({"card": ("50", "A00000001")}, {})).card_registered.birth_date == "1955-03-01"


def test_a_feed_may_be_named_instead_of_a_province() -> None:
    assert [read_text("x.toml", WHOLE.replace('by = "50"', f'by = "{by}"')).given[0].feed for by in ("50", "cq.usage")] == [
        "cq.card-center",
        "cq.usage",
    ]


def test_what_arrives_late_is_told_late() -> None:
    late = (
        '[[given]]\nid = "late"\nat = "2025-08-01 08:00"\narrives = "2025-09-02 08:00"\nby = "50"\ncard = "card"\nkind = "app_unlocked"\n'
    )
    scenario = read_text("x.toml", WHOLE.replace("[[given]]", late + "[[given]]"))
    assert [step.name for step in scenario.given] == ["given 2", "late"]
    assert [scenario.told_by(local_instant(f"2025-09-0{day} 08:00")) for day in (1, 2)] == [1, 2]


# What a run shows


def test_every_run_has_card_numbers_of_its_own_and_keeps_equal_ones_equal() -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.id == "NUMBERS")
    first, second = Stand(scenario, 1).names().cards, Stand(scenario, 2).names().cards
    assert first == {"chongqing": ("50", "A00001001"), "sichuan": ("51", "A00001001")}
    assert second == {"chongqing": ("50", "A00002001"), "sichuan": ("51", "A00002001")}


def test_an_agreement_holds_at_venues_of_its_run_only() -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.id == "A04-venue")
    [agreement] = Stand(scenario, 7).agreements()
    assert (agreement.code, list(agreement.terms.venues)) == ("R7.COUPON-SHOPS", ["R7.SHOP-1"])


def test_an_answer_that_differs_is_a_problem() -> None:
    scenario = read_text("x.toml", WHOLE.replace('outcome = "ACCEPT"', 'outcome = "DENY"\nreasons = ["LOCKED"]'))
    assert compare(scenario, Pure().tell(scenario)) == [
        "when 1, outcome: 'DENY' expected, 'ACCEPT' answered",
        "when 1, reasons: ['LOCKED'] expected, [] answered",
    ]


def test_the_command_ends_with_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    wrong, right = read_text("wrong.toml", WHOLE.replace('outcome = "ACCEPT"', 'outcome = "DENY"')), read_text("right.toml", WHOLE)
    code = tell(run_all(Pure(), [wrong, right]), Console(quiet=True))
    assert (code, json.loads(capsys.readouterr().out.splitlines()[-1])) == (
        1,
        {
            "passed": 1,
            "failed": 1,
            "failures": [{"file": "wrong.toml", "problems": ["when 1, outcome: 'DENY' expected, 'ACCEPT' answered"]}],
        },
    )


def test_the_command_ends_with_success_if_all_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(run_all(Pure(), [read_text("right.toml", WHOLE)]), Console(quiet=True)) == 0
    assert json.loads(capsys.readouterr().out) == {"passed": 1, "failed": 0, "failures": []}


def test_a_step_that_is_quarantined_unexpectedly_is_a_problem() -> None:
    scenario = read_text("x.toml", WHOLE.replace('by = "50"', 'by = "51"'))
    assert "given 1 (card_registered): quarantined, card_registered: issuer_only" in compare(scenario, Pure().tell(scenario))


def test_a_step_that_is_not_quarantined_as_expected_is_a_problem() -> None:
    scenario = read_text("x.toml", WHOLE.replace('by = "50"', 'by = "50"\nquarantined = "issuer_only"'))
    assert compare(scenario, Pure().tell(scenario)) == ["given 1 (card_registered): not quarantined for issuer_only but taken"]


def test_a_scenario_that_cannot_be_run_does_not_stop_the_others() -> None:
    fine = read_text("fine.toml", WHOLE)
    broken = replace(fine, file="broken.toml", given=(replace(fine.given[0], feed="no.feed"),))
    assert [bool(result.problems) for result in run_all(Pure(), [broken, fine])] == [True, False]
