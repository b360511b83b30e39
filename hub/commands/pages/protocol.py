"""The tables of docs/protocol.md: services, outcomes, limits, error reasons."""

from collections.abc import Iterator
from pathlib import Path

from chuanyu.exchange.v1 import acceptance_pb2

from hub.commands.pages import limits
from hub.commands.pages.blocks import renewed, table
from hub.commands.pages.contract import OF_EVERY_CALL, PACKAGE, comments, method_text, reason_text, reasons, services
from hub.domain import reference
from hub.domain.role_table import TELLING, role_table

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "protocol.md"
_PREFIX = "ACCEPTANCE_OUTCOME_"


def page(text: str) -> str:
    """Returns the page with its tables as the hub has them now."""
    return renewed(
        text,
        {
            "services": table(("service", "method", "what it does", "who may call"), _services()),
            "outcomes": table(("outcome", "meaning", "reasons, by rule"), _outcomes()),
            "limits": table(limits.HEAD, limits.rows()),
            "errors": table(("reason", "code", "when", "details", "given by"), _errors()),
        },
    )


def callers(full_name: str) -> str:
    """Returns the roles of which a method needs any one, in words."""
    needed = role_table().calls[full_name].roles
    if not needed:
        return "every participant"
    return "any role but READER" if needed == TELLING else ", ".join(needed)


def reasons_by_rule(outcome: str) -> dict[str, list[str]]:
    """Returns the acceptance reasons that give an outcome, by the rule that gives them ("" for none)."""
    found: dict[str, list[str]] = {}
    for reason in reference.load().reasons.values():
        if reason.outcome == outcome:
            found.setdefault(reason.rule, []).append(reason.code)
    return dict(sorted(found.items()))


# Reasons that only operators' commands give, where it is not the one for agreements.
_COMMANDS = {"CATALOGUE_CHANGED": "`hub items`", "FINDING_RULE_FLOODS": "`hub findings adopt`", "RECEIPT_NOT_FOUND": "`hub receipts show`"}


def given_by(reason: str) -> str:
    """Returns which calls an error reason may come from; where all methods of a service give it, its name is given for them."""
    if reason in OF_EVERY_CALL:
        return "every call"
    found = []
    for service in services():
        giving = [method.name for method in service.method if reason in method_text(f"{PACKAGE}.{service.name}.{method.name}").reasons]
        found += [service.name] if len(giving) == len(service.method) else giving
    return ", ".join(found) or _COMMANDS.get(reason, "`hub agreements`")


def _services() -> Iterator[tuple[str, ...]]:
    for service in services():
        for method in service.method:
            name = f"{PACKAGE}.{service.name}.{method.name}"
            yield service.name, method.name, method_text(name).what, callers(f"{PACKAGE}.{service.name}/{method.name}")


def _outcomes() -> Iterator[tuple[str, ...]]:
    for name in list(acceptance_pb2.AcceptanceOutcome.keys())[1:]:
        meaning = comments()[f"{PACKAGE}.AcceptanceOutcome.{name}"]
        groups = reasons_by_rule(name.removeprefix(_PREFIX)).items()
        yield name.removeprefix(_PREFIX), meaning, " · ".join(f"{rule} {', '.join(codes)}".strip() for rule, codes in groups)


def _errors() -> Iterator[tuple[str, ...]]:
    for reason in reasons():
        text = reason_text(reason)
        yield reason, text.code, text.when, text.details, given_by(reason)
