"""Records over claims: for each rule that weighs both, each cell of claim and record that it can meet has a question in a scenario file."""

from collections import defaultdict
from itertools import product
from pathlib import Path

import pytest

from hub.domain import acceptance
from hub.domain.records.weighing import Basis, Weighed
from hub.domain.rule_input import RuleInput
from hub.domain.rules.rule import Rule
from hub.scenarios.pure import Pure
from hub.scenarios.reading import read_directory

Said = bool | None
ANY: tuple[Said, ...] = (True, False, None)
# What can be claimed, and what can be on record. A claim that is a plain flag says one thing or nothing. Of a token only its use is known,
# of an insured place that it moved, of a PIN that it is locked.
CELLS: dict[str, tuple[tuple[Said, ...], tuple[Said, ...]]] = {
    "A06": (ANY, (False,)),
    "A09": (ANY, ANY),
    "A10": (ANY, (False, None)),
    "A11": ((True, None), ANY),
    "A12": (ANY, ANY),
    "A13": (ANY, ANY),
    "A14": ((True, None), (False, None)),
    "A22": (ANY, ANY),
    "A24": (ANY, ANY),
    "A31": (ANY, ANY),
    "A40": (ANY, ANY),
    "A41": ((True, None), ANY),
    "A51": ((False, None), ANY),
    "A60": (ANY, ANY),
    "A61": ((False, None), ANY),
    "A80": (ANY, ANY),
}


def test_each_cell_of_claim_and_record_has_a_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    met: dict[str, set[tuple[Said, Said]]] = defaultdict(set)
    ask = acceptance._asked

    def noted(rule: Rule, asked: RuleInput) -> tuple[str, Basis | None]:
        weighed = rule.ask(asked)
        if isinstance(weighed, Weighed):
            met[rule.rule_id].add((weighed.claim, weighed.record.says))
        return ask(rule, asked)

    monkeypatch.setattr(acceptance, "_asked", noted)
    for scenario in read_directory(Path(__file__).parents[1] / "scenarios"):
        run = Pure().tell(scenario)
        for question in scenario.when:
            if question.kind == "acceptance":
                run.answer(question)
    assert met.keys() == CELLS.keys(), "a rule that weighs says here what it can meet"
    missing = {rule_id: set(product(*cells)) - met[rule_id] for rule_id, cells in CELLS.items()}
    assert {rule_id: cells for rule_id, cells in missing.items() if cells} == {}
