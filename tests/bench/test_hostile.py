"""Attacks of questions: what is asked is what the hub would answer, or refusals would be measured."""

from hub.bench.hostile.questions import explanation, question
from hub.intake.request_rules import refuse_invalid


def test_what_an_attack_asks_is_well_formed() -> None:
    refuse_invalid(question("hostile", 1))
    refuse_invalid(explanation(1))
