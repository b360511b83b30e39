"""Answers decided again are the same: those taken under load and during a catch-up, by other rules, with tokens; what was altered shows."""

import contextlib
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, control_pb2, event_pb2, references_pb2, service_items_pb2
from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from click.testing import Result
from typer.testing import CliRunner

from hub.admin.agreements import Officer
from hub.admin.service_items import approve_version, draft_version
from hub.audit import rule_process
from hub.audit.as_of import agreements_at
from hub.audit.outcome import Outcome, as_json, read
from hub.audit.replay.branches import (
    AgreementNotThere,
    ChangeRepeated,
    RulesForeign,
    RulesUnreadable,
    ScenarioNotThere,
    TableRefused,
    TableUnknown,
    branches_of,
)
from hub.audit.replay.comparing import Found
from hub.audit.replay.decided_again import Period, decide_again
from hub.audit.replay.parameters import ParameterUnknown
from hub.audit.replay.progress import Cancelled, unseen
from hub.audit.replay.questions import answer
from hub.audit.rule_archive import pack_version
from hub.audit.rule_process import RulesEnded
from hub.cli import app
from hub.domain.agreement import Terms
from hub.domain.errors import HubError, RuleVersionUnknown
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from tests.audit.test_rule_versions import LENIENT, changed
from tests.clients import DEADLINE_S, Province, journal
from tests.hub_process import RunningHub, environment
from tests.messages import lost, name_card, question, registered

CARDS = [f"W{number:08d}" for number in range(40)]
# The others succeed one another again and again: what was known of one of them at each step rests on thousands of facts.
ALONE = "W00000099"
FEED = "cq.card-center"
TRANSIT_NO = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO
HOLDERS = [f"50019919400101{number:03d}0" for number in range(12)]
ALL = Period(1, 1 << 62)


def life(chance: random.Random, at_s: int) -> event_pb2.Event:
    """Something that changes what is answered about a card."""
    card = chance.choice(CARDS)
    event = chance.choice(
        (
            lambda: registered(card, at_s=at_s),
            lambda: lost(card, at_s=at_s),
            lambda: enabled(card, at_s, chance.choice(["", *CARDS])),
            lambda: tied(registered(card, at_s=at_s), card),
            lambda: addressed(lost(card, at_s=at_s), card),
            lambda: certified(card, at_s, chance.choice(["2025", "2026"])),
        )
    )()
    if chance.random() < 0.4:
        event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, with_check_digit(chance.choice(HOLDERS)[:17])
    return event


def with_check_digit(digits: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return digits + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11]


def enabled(card: str, at_s: int, predecessor: str) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    name_card(event.card, card, "50")
    event.social_function_activated.channel = 1
    if predecessor:
        name_card(event.social_function_activated.supersedes, predecessor, "50")
    return event


def tied(event: event_pb2.Event, card: str) -> event_pb2.Event:
    alias = event.card_aliases.add()
    alias.issuing_province, alias.kind, alias.clear = "50", TRANSIT_NO, f"31058400000{card[1:]}"
    return event


def addressed(event: event_pb2.Event, card: str) -> event_pb2.Event:
    event.card.kind, event.card.clear = TRANSIT_NO, f"31058400000{card[1:]}"
    return event


def certified(card: str, at_s: int, cycle: str) -> event_pb2.Event:
    event = event_pb2.Event(service_region="500103", scenario="HR.CERT")
    event.occurred_at.seconds = at_s
    name_card(event.card, card, "50")
    said = event.benefit_qualification_certified
    said.benefit_kind, said.cycle, said.method = "PENSION", cycle, 1  # type: ignore[assignment]
    return event


def approve_item(dsn: str) -> None:
    """Officers of both sides approve an item, one after the other."""
    version = service_items_pb2.ServiceItemVersion(state=service_items_pb2.SERVICE_ITEM_STATE_LIVE, valid_from="2025-01-01")
    item = service_items_pb2.ServiceItemDefinition(name_zh="审计事项", department="人社")
    with contextlib.closing(AggregateStore(dsn)) as store:
        for side in ("50", "51"):
            drafted = service_items_pb2.ServiceItemDrafted(item_id="SJ900", province=side, version=version, definition=item)
            draft_version(store, drafted, Officer(side, f"{side}01"), datetime.now(UTC))
            approve_version(store, "SJ900", Officer(side, f"{side}02"), datetime.now(UTC))


def asked(chance: random.Random, number: int) -> card_service_pb2.CheckAcceptanceRequest:
    """A question that may look at the card alone, at what is on record, or at a token."""
    request = question(f"replayed-{number}", chance.choice(CARDS), scenario=chance.choice(["TRA.MET", "HR.CERT", "GOV.ID", "TRA.ELD"]))
    if chance.random() < 0.3:
        request.medium = acceptance_pb2.MEDIUM_ECARD_QR
        request.subject_refs.token.clear = f"token-{chance.randrange(30)}"
        request.claims.ecard_token = acceptance_pb2.ECARD_TOKEN_VALID
    if chance.random() < 0.3:
        request.subject_refs.item_id = chance.choice(["TB057", "TB118", "SJ900"])
    return request


@pytest.fixture(scope="module")
def under_load(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> Iterator[int]:
    """Asks while cards change, and while a backlog is folded; returns how many answers were recorded."""
    now_s, chance, begun = int(time.time()) - 86_400, random.Random(20260303), threading.Event()
    declared = event_pb2.Event(service_region="500000")
    declared.occurred_at.seconds = now_s
    declared.register_declared_complete.register = control_pb2.REGISTER_CERTIFICATIONS
    declared.register_declared_complete.fresh_for_hours = 1
    chongqing.tell(FEED, declared, *(registered(card, at_s=now_s - 3_600) for card in (ALONE, *CARDS[:30])), lost(ALONE, at_s=now_s))

    def tell() -> None:
        begun.set()
        for number in range(27):
            # The last ones come at once, so that the views are behind while questions are answered.
            size = 3 if number < 25 else 200
            if number == 10:
                approve_item(shared_hub.dsn)
            chongqing.tell(FEED, *(life(chance, now_s + number * 100 + offset) for offset in range(size)))

    telling = threading.Thread(target=tell)
    telling.start()
    assert begun.wait(DEADLINE_S)
    numbers = itertools.count()
    answered = 0
    with ThreadPoolExecutor(8) as pool:
        while telling.is_alive() or answered < 200:
            chances = [(random.Random(number), number) for number in itertools.islice(numbers, 40)]
            answered += sum(pool.map(lambda one: is_answered(sichuan, asked(*one)), chances))
    telling.join()
    assert [str(one.event.event_quarantined) for one in journal(shared_hub.dsn) if one.kind == "event_quarantined"][:4] == []
    yield answered


@pytest.fixture
def superuser(shared_hub: RunningHub) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        yield connection


@contextlib.contextmanager
def altered(superuser: psycopg.Connection, position: int, data: bytes) -> Iterator[None]:
    """Has the journal say something else at a position meanwhile."""
    before = superuser.execute("SELECT data FROM journal.event WHERE position = %s", (position,)).fetchone()
    assert before is not None
    superuser.execute("UPDATE journal.event SET data = %s WHERE position = %s", (data, position))
    yield
    superuser.execute("UPDATE journal.event SET data = %s WHERE position = %s", (*before, position))


def is_answered(province: Province, request: card_service_pb2.CheckAcceptanceRequest) -> bool:
    try:
        province.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    except grpc.RpcError:
        return False
    return True


def again(hub: RunningHub, processes: int = 1, lanes: int = 7) -> Found:
    return decide_again(hub.dsn, ALL, (), unseen, processes, lanes)


@pytest.mark.slow
def test_answers_under_load_and_during_a_catch_up_are_the_same_when_decided_again(shared_hub: RunningHub, under_load: int) -> None:
    found = again(shared_hub)
    answers = [one for one in journal(shared_hub.dsn) if one.kind == "decision_made"]
    outcomes = {one.event.decision_made.outcome for one in answers}
    bases = [one.position for one in answers if one.event.decision_made.bases]
    assert found.differences == []
    assert (found.answers, found.different) == (len(answers), 0)
    assert found.answers >= under_load >= 200
    assert len(outcomes) > 2 and bases


@pytest.mark.usefixtures("under_load")
def test_lanes_and_processes_change_nothing(shared_hub: RunningHub) -> None:
    assert again(shared_hub, lanes=1) == again(shared_hub, lanes=64) == again(shared_hub, processes=2)


@pytest.mark.usefixtures("under_load")
def test_an_answer_that_was_altered_shows_with_both_answers(shared_hub: RunningHub, superuser: psycopg.Connection) -> None:
    answers = (one for one in journal(shared_hub.dsn) if one.kind == "decision_made")
    denied = next(one for one in answers if one.event.decision_made.reason_codes and not one.event.decision_made.HasField("subject_refs"))
    event = event_pb2.Event.FromString(denied.data)
    del event.decision_made.reason_codes[:]
    event.decision_made.outcome = acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT
    with altered(superuser, denied.position, event.SerializeToString()):
        [difference] = again(shared_hub).differences
    assert (difference.position, difference.then.outcome, difference.then.reasons) == (denied.position, "ACCEPT", ())
    assert difference.now.reasons == tuple(denied.event.decision_made.reason_codes)


@pytest.mark.usefixtures("under_load")
def test_a_replay_can_be_cancelled(shared_hub: RunningHub) -> None:
    def cancel(_done: int, _of: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        decide_again(shared_hub.dsn, ALL, (), cancel, 2)


# What other rules would have answered


def what_if(hub: RunningHub, *changes: questions.WhatIfChange, rebuilt: bool = False) -> Outcome:
    inputs = questions.WHAT_IF_INPUTS_REBUILT if rebuilt else questions.WHAT_IF_INPUTS_FROZEN
    with psycopg.connect(hub.dsn) as connection:
        head = head_position(connection)
    asks = questions.WhatIfQuestion(to=questions.RecordedAsOf(position=head), changes=changes, inputs=inputs)
    getattr(asks, "from").position = 1
    # Whatever it is, it can be read again from its bytes.
    return read(as_json(answer(hub.dsn, questions.AuditQuestion(what_if=asks))))


def rules(change: tuple[bytes, bytes], branch: str = "") -> questions.WhatIfChange:
    return questions.WhatIfChange(branch=branch, rules=questions.RulesChange(archive=changed(pack_version(), change)))


@pytest.mark.usefixtures("under_load")
def test_branches_are_compared_side_by_side_with_a_control_that_is_empty(shared_hub: RunningHub) -> None:
    days = questions.ParameterChange(name="tempLossDays", value="0")
    gone = [one.code for one in agreements_of(shared_hub) if "TRA.MET" in one.scenarios]
    outcome = what_if(
        shared_hub,
        rules(LENIENT, "lenient"),
        questions.WhatIfChange(branch="no_days", parameter=days),
        *(questions.WhatIfChange(branch="alone", agreement=questions.AgreementChange(agreement_code=code)) for code in gone),
        rules((b"", b""), "same"),
    )
    branches = {one["branch"]: one for one in outcome.facts["branches"]}
    assert (outcome.holds, outcome.facts["control"]["different"]) == (None, 0)
    assert branches["same"]["answers"] == 0
    assert {(cell["then"], cell["rule"]) for cell in branches["lenient"]["cells"]} >= {("DENY", "A02")}
    # An elder's ride is a ride.
    assert {cell["scenario"] for cell in branches["alone"]["cells"]} == {"TRA.ELD", "TRA.MET"}
    # How many asked under load differs from run to run; fewer than five people are not shown.
    assert branches["alone"]["losing"] != 0 == branches["alone"]["gaining"]
    assert branches["lenient"]["gaining"] != 0
    assert all(one is None or one == 0 or one >= 5 for branch in branches.values() for one in (branch["people"], branch["answers"]))


@pytest.mark.usefixtures("under_load")
def test_with_what_is_known_later_answers_are_others_by_that_alone(shared_hub: RunningHub) -> None:
    outcome = what_if(shared_hub, rebuilt=True)
    assert outcome.holds is None
    assert outcome.facts["control"]["different"] > 0


def further(*scenarios: str) -> questions.WhatIfChange:
    """A further agreement for some scenarios."""
    terms = decisions.AgreementTerms(
        scenarios=scenarios, issuer_provinces=["50"], serving_provinces=["51"], concession=decisions.CONCESSION_TERMS_NONE,
        settlement=decisions.SETTLEMENT_TERMS_NONE, legal_basis="x",
    )  # fmt: skip
    terms.valid_from.seconds = 1_600_000_000
    return questions.WhatIfChange(branch="further", agreement=questions.AgreementChange(agreement_code="TRIED-OUT", terms=terms))


@pytest.mark.usefixtures("under_load")
def test_a_code_without_its_version_is_all_versions_that_were_known_by_then(shared_hub: RunningHub) -> None:
    def without(code: str) -> dict[str, Any]:
        gone = questions.WhatIfChange(branch="gone", agreement=questions.AgreementChange(agreement_code=code))
        branch: dict[str, Any] = what_if(shared_hub, gone).facts["branches"][0]
        return branch

    named = [one.code for one in agreements_of(shared_hub) if one.code.startswith("ORD-TRANSIT")]
    assert named == ["ORD-TRANSIT/1"]
    gone = without("ORD-TRANSIT")
    assert gone == without("ORD-TRANSIT/1")
    assert gone["answers"] > 0


@pytest.mark.usefixtures("under_load")
def test_a_branch_that_changes_one_thing_twice_is_refused(shared_hub: RunningHub) -> None:
    days = [questions.WhatIfChange(parameter=questions.ParameterChange(name="tempLossDays", value=value)) for value in "12"]
    with pytest.raises(ChangeRepeated, match="tempLossDays"):
        what_if(shared_hub, *days)
    gone = [questions.WhatIfChange(agreement=questions.AgreementChange(agreement_code=code)) for code in ("ORD-TRANSIT", "ORD-TRANSIT/1")]
    with pytest.raises(ChangeRepeated, match="ORD-TRANSIT/1"):
        what_if(shared_hub, *gone)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (questions.WhatIfChange(rules=questions.RulesChange(archive=b"no archive")), RulesForeign),
        (rules((b"_STATUS_REASONS = ", b"def (\n")), RulesUnreadable),
        (questions.WhatIfChange(rules=questions.RulesChange(digest=b"\3" * 32)), RuleVersionUnknown),
        # Rules that loop are ended in a test of their own.
        pytest.param(rules((b"_STATUS_REASONS = ", b"import no_such_package\n_STATUS_REASONS = ")), RulesEnded, marks=pytest.mark.slow),
        (rules((b"_STATUS_REASONS = ", b"hoard = bytearray(1 << 40)\n_STATUS_REASONS = ")), RulesEnded),
        (questions.WhatIfChange(parameter=questions.ParameterChange(name="noSuchParameter", value="1")), ParameterUnknown),
        (questions.WhatIfChange(reference=questions.ReferenceChange(table="no_table", rows=b"x")), TableUnknown),
        (questions.WhatIfChange(reference=questions.ReferenceChange(table="reasons", rows=b"code\n")), TableRefused),
        (questions.WhatIfChange(agreement=questions.AgreementChange(agreement_code="ORD-TRANSI")), AgreementNotThere),
        (further("TRA.METRO"), ScenarioNotThere),
    ],
)
@pytest.mark.usefixtures("under_load")
def test_changes_that_cannot_be_run_are_refused_by_name(
    shared_hub: RunningHub, change: questions.WhatIfChange, refusal: type[HubError]
) -> None:
    with pytest.raises(refusal):
        what_if(shared_hub, change)


@pytest.mark.usefixtures("under_load")
def test_rules_that_loop_are_ended(shared_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_process, "START_S", 0.4)
    looping = rules((b"_STATUS_REASONS = ", b"while True: pass\n_STATUS_REASONS = "))
    with contextlib.ExitStack() as held, pytest.raises(RulesEnded):
        branches = branches_of(shared_hub.dsn, questions.WhatIfQuestion(changes=[looping]), tmp_path, held)
        decide_again(shared_hub.dsn, ALL, branches, unseen, 1)


def agreements_of(hub: RunningHub) -> list[Terms]:
    with psycopg.connect(hub.dsn) as connection:
        return list(agreements_at(connection, head_position(connection)))


# The commands


def run(hub: RunningHub, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={**environment(hub.dsn, hub.data_dir), "COLUMNS": "160"})


@pytest.mark.slow
@pytest.mark.usefixtures("under_load")
def test_the_commands_print_an_outcome_and_end_with_one_where_it_does_not_hold(
    shared_hub: RunningHub, superuser: psycopg.Connection
) -> None:
    answers = run(shared_hub, "replay", "answers", "--json")
    assert (answers.exit_code, json.loads(answers.stdout.splitlines()[-1])["holds"]) == (0, True)
    # Nothing is changed by a name that there is not, so it is no answer that nothing would change.
    unknown = run(shared_hub, "whatif", "--without", "NO-SUCH-CODE")
    assert (unknown.exit_code, type(unknown.exception)) == (1, AgreementNotThere)
    assert "ORD-TRANSIT/1" in str(run(shared_hub, "whatif", "--without", "ORD-TRANSITS").exception)
    options = ("--set", "tempLossDays=1", "--set", "tempLossDays=0", "--without", "ORD-TRANSIT")
    twice = run(shared_hub, "whatif", *options, "--json")
    branches = json.loads(twice.stdout.splitlines()[-1])["facts"]["branches"]
    assert (twice.exit_code, [one["branch"] for one in branches]) == (0, ["templossdays", "templossdays.2", "ord_transit"])
    views = run(shared_hub, "replay", "views", "card_alias")
    assert (views.exit_code, "✓" in views.stdout) == (0, True)
    card = run(shared_hub, "asof", "card", ALONE, "--issuer", "50", "--steps", "--today", "--purpose", "COMPLAINT")
    assert card.exit_code == 0, card.output
    now = run(shared_hub, "asof", "position", datetime.now(UTC).isoformat())
    assert int(now.stdout.splitlines()[-1]) > 0
    terms = run(shared_hub, "asof", "agreement", agreements_of(shared_hub)[0].code, "--json")
    assert json.loads(terms.stdout.splitlines()[-1])["facts"]["known"]
    made_up = next(one for one in journal(shared_hub.dsn) if one.kind == "decision_made" and one.event.decision_made.reason_codes)
    event = event_pb2.Event.FromString(made_up.data)
    del event.decision_made.reason_codes[:]
    with altered(superuser, made_up.position, event.SerializeToString()):
        assert run(shared_hub, "replay", "answers").exit_code == 1
