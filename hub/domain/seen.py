"""What a rule looked at, as text: `explain` shows it beside what the rule concluded."""

from collections.abc import Iterator
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2

from hub.domain.concessions import balance, scheme_at
from hub.domain.joint_services.sides import State
from hub.domain.records.topics import TOPICS
from hub.domain.rule_input import ON_RECORD, RuleInput
from hub.domain.rules.items import item_sides
from hub.domain.transit.entries import KIND as ENTRY


def seen(asked: RuleInput, path: str) -> str:
    """Returns what is at a path of the input, as text: empty where nothing was said."""
    place, _, name = path.partition(".")
    if place == "agreements":
        return ", ".join(terms.code for terms in asked.about)
    if place == "holder":
        age = asked.age()
        return "" if age is None else str(age)
    if place == "policy":
        return asked.serving_policy(name)
    if place == "issuer":
        return asked.issuing_policy(name)
    if path == "question.medium":
        return acceptance_pb2.Medium.DESCRIPTOR.values_by_number[asked.question.medium].name.removeprefix("MEDIUM_")
    if place == "claims":
        return _claimed(asked.question.claims, name)
    if place == "catalogue":
        return _in_catalogue(asked)
    if path == "institution.register":
        return ", ".join([*(str(one.position) for one in asked.records.institution), *_declared(asked, "INSTITUTIONS")])
    if path == "token.used":
        return str(asked.records.token.position or "")
    if path.startswith(ON_RECORD):
        return _on_record(asked, name)
    value = getattr(getattr(asked, place), name)
    return "" if value is None else str(value)


def _in_catalogue(asked: RuleInput) -> str:
    """Says what each side does with the item of the question, and where the newest approval of it is."""
    states = [f"{side.province} {State.Name(side.state).removeprefix('SERVICE_ITEM_STATE_')}" for side in item_sides(asked)]  # type: ignore[arg-type]
    approved = [str(change.position) for change in asked.records.items[-1:]]
    return ", ".join([*states, *approved])


def _on_record(asked: RuleInput, register: str) -> str:
    """Says which positions are on record for a register, and which provinces report it whole or have been silent for too long."""
    at_us, records = asked.question.at_us, asked.records
    kinds = (kind for kind, topic in TOPICS.items() if topic.register == register)
    said = [str(fact.position) for fact in records.of(at_us, *((ENTRY,) if register == "ENTRIES" else kinds))]
    if register == "CONCESSIONS" and (scheme := scheme_at(asked.reference, asked.question.service_region, at_us)) is not None:
        units = balance(records.units, scheme, asked.question.service_region, at_us)
        said.append(f"{units.city} {units.period}: {units.left} left")
    return ", ".join([*said, *_declared(asked, register)])


def _declared(asked: RuleInput, register: str) -> Iterator[str]:
    """Says which provinces report a register whole, or have been silent for too long."""
    at_us = asked.question.at_us
    for (name, province), known in sorted(asked.records.registers.items()):
        if name == register and known.declared_at(at_us) is not None:
            yield f"{province} {'silent' if known.is_silent(at_us) else 'complete'}"


def _claimed(claims: Any, name: str) -> str:
    field = claims.DESCRIPTOR.fields_by_name[name]
    if field.has_presence and not claims.HasField(name):
        return ""
    value = getattr(claims, name)
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    return str(value).strip().replace("\n", " ")
