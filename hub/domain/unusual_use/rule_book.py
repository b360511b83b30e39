"""The rules of findings: their names, whom they are about, and their parameters, version by version.

Version 1 is the file `rules.toml`; later ones are events, so that a finding can say by which parameters it was found.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import findings_pb2 as protos

from hub.domain.aggregate import HubAggregate
from hub.domain.unusual_use.errors import FindingRuleParameter, FindingRuleUnknown

ADOPTED = "finding_rule_adopted"
CARD, PERSON, PARTICIPANT = "CARD", "PERSON", "PARTICIPANT"
# More findings in so many uses are more than people look into.
USES_A_FINDING = 10_000
_FILE = Path(__file__).parent / "rules.toml"


class Parameter(NamedTuple):
    """A parameter with its bounds, in both languages."""

    value: int
    least: int
    most: int
    zh: str
    en: str


class Rule(NamedTuple):
    """A rule as the hub comes with it."""

    code: str
    name: tuple[str, str]
    meaning: tuple[str, str]
    subject: str
    unit: str
    heeds_opt_out: bool
    parameters: Mapping[str, Parameter]


class Version(NamedTuple):
    """A rule by the parameters of a version; *position* is where it was put in force, 0 for the first."""

    rule: Rule
    number: int
    parameters: Mapping[str, int]
    position: int = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 over code, number and parameters."""
        said = json.dumps([self.rule.code, self.number, dict(sorted(self.parameters.items()))], separators=(",", ":"))
        return hashlib.sha256(said.encode()).digest()


@cache
def rules() -> Mapping[str, Rule]:
    """Returns all rules by their codes."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {code: _rule(code, said) for code, said in table.items()}


def _rule(code: str, said: Mapping[str, Any]) -> Rule:
    name, meaning = said["name"], said["meaning"]
    found = {key: Parameter(**value) for key, value in said["parameters"].items()}
    texts = ((name["zh"], name["en"]), (meaning["zh"], meaning["en"]))
    return Rule(code, *texts, said["subject"], said["unit"], said["heeds_opt_out"], found)


def rule_named(code: str) -> Rule:
    """Returns a rule; raises FindingRuleUnknown."""
    found = rules().get(code)
    if found is None:
        raise FindingRuleUnknown(known=" ".join(rules()))
    return found


def first_version(rule: Rule) -> Version:
    """Returns a rule as the hub comes with it."""
    return Version(rule, 1, {name: one.value for name, one in rule.parameters.items()})


def changed(version: Version, parameters: Mapping[str, int]) -> Version:
    """Returns the next version, with other values of some parameters; raises FindingRuleParameter."""
    for name, value in parameters.items():
        known = version.rule.parameters.get(name)
        if known is None:
            raise FindingRuleParameter(parameter=name[:32], known=" ".join(version.rule.parameters))
        if not known.least <= value <= known.most:
            raise FindingRuleParameter(parameter=name, least=known.least, most=known.most)
    return Version(version.rule, version.number + 1, {**version.parameters, **parameters})


def parameter_messages(version: Version) -> list[protos.FindingParameter]:
    """Returns all parameters of a version."""
    return [protos.FindingParameter(name=name, value=value) for name, value in sorted(version.parameters.items())]


def floods(findings: int, uses: int) -> bool:
    """Whether a rule finds more than one in 10,000 uses; one finding alone never floods."""
    return findings > max(1, uses // USES_A_FINDING)


class RuleHistory(HubAggregate):
    """The versions of a rule that were put in force after the first, in order."""

    def __init__(self, adopted: protos.FindingRuleAdopted) -> None:
        """Starts from version 2."""
        self.adopted = [adopted]

    @staticmethod
    def create_id(code: str) -> UUID:
        """The id follows from the rule."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:finding-rule:{code}")

    def apply(self, _: str, message: protos.FindingRuleAdopted) -> None:
        """Folds one event."""
        self.adopted.append(message)


def versions(rule: Rule, adopted: Iterable[tuple[int, protos.FindingRuleAdopted]]) -> list[Version]:
    """Returns all versions of a rule in order; *adopted* has each event with its position.

    A parameter that a later release added has its first value in the versions before it.
    """
    first = first_version(rule)
    found = [first]
    for position, said in adopted:
        values = {one.name: one.value for one in said.parameters if one.name in rule.parameters}
        found.append(Version(rule, said.version, {**first.parameters, **values}, position))
    return found
