"""The adapters' kit passes every trial; each is failed by a client that is wrong in its one thing, in words that say what to change."""

import time
from collections.abc import Mapping

import pytest

from adapters.conformance.client import ConformanceClient
from hub.conformance.clients import AGAIN, KILL, ByHand
from hub.conformance.kit import PATIENCE_S as USUAL_S
from hub.conformance.kit import Kit
from hub.conformance.trials import all_trials
from tests.conformance import wrong
from tests.conformance.conftest import Judge, Threaded
from tests.seeds import one_in

# Those that would go on for ever are not waited for.
PATIENCE_S = {wrong.NeverReads: 2.0, wrong.FirstEdgeOnly: 1.5}
WRONG: list[tuple[str, type[ConformanceClient], str]] = [
    ("B01", wrong.Absent, "No call came"),
    ("B01", wrong.Breaks, "the client exited with 1: read what it printed"),
    ("B02", wrong.SaysNothing, "The results have no line for step 1"),
    ("B02", wrong.FromZero, "It numbers from 0: the first event has number 1"),
    ("B02", wrong.Skips, "It skips from 0 to 2: leave no number out"),
    ("B03", wrong.Renumbers, "number each once, and send it until it is answered"),
    ("B03", wrong.RepeatsOtherwise, "a number is the same content for ever"),
    ("B04", wrong.FromTheHubsNumber, "number each once"),
    ("B05", wrong.GivesUp, "it stopped the feed, for 'refused': this is nothing to stop for"),
    ("B06", wrong.Renumbers, "After the conflict it used other numbers"),
    ("B06", wrong.HammersAtConflict, "it will not pass; stop the feed"),
    ("B07", wrong.PassesOverQuarantine, "read quarantined in the answers"),
    ("B07", wrong.ResendsMended, "a number is the same content for ever"),
    ("B08", wrong.OneBatch, "at most 500 go into one"),
    ("B09", wrong.OtherProvince, "is of another province: send what you were given"),
    ("S01", wrong.AsksElsewhere, "ask it as it is"),
    ("S02", wrong.NewRequestId, "one question has one, and gets one answer"),
    ("S03", wrong.GivesUp, "after a refusal that passes, ask again"),
    ("S03", wrong.Hammers, "wait at least 0.05 s"),
    ("S04", wrong.AsksTwice, "is not asked for again"),
    ("S05", wrong.DropsOne, "none missing, none twice"),
    ("S06", wrong.FromTheStart, "subscribe again from the last position received"),
    ("S07", wrong.DropsReceipts, "It reports 0 receipts, with 0 of the 1 given: keep each"),
    ("S08", wrong.TrustsReceipts, "verify it with the keys of GetReceiptKeys"),
    ("S09", wrong.ListsAll, "read and verify it as hotlist.md says"),
    ("S10", wrong.BumpsVersion, "report the same again"),
    ("G01", wrong.Streams, "read answers before you send on"),
    ("G01", wrong.NeverReads, "It did not end in time: read the answers"),
    ("G02", wrong.Impatient, "wait at least 5 s for it"),
    ("G03", wrong.Hammers, "RetryInfo said 0.95 s"),
    ("G04", wrong.ForgetsAll, "number each once"),
    ("G05", wrong.EndsWithItsStream, "send it until it is answered"),
    ("G06", wrong.Hammers, "let pauses grow"),
    ("G07", wrong.FirstEdgeOnly, "try each that it was given"),
    ("G08", wrong.KeepsItsCertificate, "connect again with the new one"),
    ("G09", wrong.Renumbers, "number each once"),
]


@pytest.mark.parametrize("name", [trial.id for trial in all_trials()])
def test_the_kit_of_the_adapters_passes(judge: Judge, name: str) -> None:
    verdict = judge(name, ConformanceClient, USUAL_S)
    assert verdict.problems == [], verdict.lines


@pytest.mark.parametrize(("name", "kind", "said"), one_in(2, WRONG), ids=[f"{name}-{kind.__name__}" for name, kind, _ in WRONG])
def test_a_wrong_client_fails_in_words_that_say_what_to_change(judge: Judge, name: str, kind: type[ConformanceClient], said: str) -> None:
    verdict = judge(name, kind, PATIENCE_S.get(kind, USUAL_S))
    assert said in "\n".join(verdict.problems), verdict.lines


def test_each_trial_has_a_wrong_client() -> None:
    assert {name for name, *_ in WRONG} == {trial.id for trial in all_trials()}


def test_what_a_client_reports_in_another_form_is_said_and_counts_for_nothing(judge: Judge) -> None:
    verdict = judge("B07", wrong.ReportsOtherwise, USUAL_S)
    assert [problem for problem in verdict.problems if "has not the form" in problem] == [
        f"结果中的 {name} 格式不对：见 conformance.md。{name} in the results has not the form that conformance.md gives."
        for name in ("acknowledged", "quarantined", "receipts")
    ]


@pytest.mark.parametrize(
    ("kind", "said"), [(ConformanceClient, ""), (wrong.ForgetsAll, "number each once"), (wrong.Absent, "No call came")]
)
def test_a_person_kills_a_client_in_the_middle_and_starts_it_again(kit: Kit, kind: type[ConformanceClient], said: str) -> None:
    told = []

    def by_hand(environment: Mapping[str, str], todo: str) -> None:
        told.append(todo)
        running = Threaded(kind).start(environment)
        give_up_at = time.monotonic() + (1.0 if kind is wrong.Absent else 20.0)
        while time.monotonic() < give_up_at and not (kit._has_taken(trial, 1) if todo == KILL else running.poll() is not None):
            time.sleep(0.01)
        running.kill()

    trial = next(trial for trial in all_trials() if trial.kill_after_batches)
    verdict = kit.judge(trial.by_hand(), ByHand(by_hand, is_killed=True), 60.0)
    assert said in "\n".join(verdict.problems) and bool(verdict.problems) == bool(said), verdict.lines
    assert told == [KILL] + [AGAIN] * (kind is not wrong.Absent)
