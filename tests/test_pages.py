"""Pages and tables that are generated: each says what the hub runs by now."""

from pathlib import Path

import pytest
from google.rpc import code_pb2

from hub.api.edge.statuses import CODES
from hub.commands.docs import PAGES
from hub.commands.pages.contract import OF_EVERY_CALL, PACKAGE, comments, method_text, reason_text, reasons, services
from hub.commands.pages.protocol import given_by
from hub.domain import reference
from hub.domain.role_table import role_table

METHODS = [f"{PACKAGE}.{service.name}.{method.name}" for service in services() for method in service.method]
CODE_OF = {reason: code_pb2.Code.Name(code) for code, reason in CODES.values()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_generated_page_says_what_is_so_now(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert PAGES[page](text) == text, "run: .venv/bin/hub docs"


def test_every_declaration_of_the_contract_has_its_comment() -> None:
    # Oneofs that the compiler makes for optional fields begin with an underscore.
    assert [name for name, comment in comments().items() if not comment and not name.rpartition(".")[2].startswith("_")] == []


@pytest.mark.parametrize("method", METHODS)
def test_a_method_names_reasons_under_the_code_that_they_have(method: str) -> None:
    named = [(reason, code) for code, reasons_of_code in method_text(method).codes.items() for reason in reasons_of_code]
    assert named
    assert [reason for reason, _ in named if reason in OF_EVERY_CALL] == []
    assert [(reason, code) for reason, code in named if CODE_OF[reason] != code] == []


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_needs_a_role_names_the_refusal(method: str) -> None:
    service, _, name = method.rpartition(".")
    assert ("ROLE_MISSING" in method_text(method).reasons) == bool(role_table().calls[f"{service}/{name}"].roles)


def test_every_reason_is_of_every_call_or_of_some_method_or_of_agreements() -> None:
    of_agreements = {reason for reason in reasons() if given_by(reason) == "`hub agreements`"}
    assert set(OF_EVERY_CALL) <= {*CODE_OF, "INTERNAL"}
    assert of_agreements == {reason for kind, (_, reason) in CODES.items() if kind.__name__ in AGREEMENT_ERRORS}


def test_a_comment_of_a_reason_is_read_in_its_parts() -> None:
    assert reason_text("SEQUENCE_GAP") == (
        "FAILED_PRECONDITION",
        "the batch starts above the feed's next sequence",
        "metadata expected_sequence",
    )


def test_every_acceptance_reason_stands_on_the_page_of_the_protocol() -> None:
    page = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert [code for code in reference.load().reasons if code not in page] == []


AGREEMENT_ERRORS = frozenset(
    {
        "AgreementUnknown",
        "AgreementExists",
        "AgreementNotSigned",
        "NothingToSign",
        "SideSignedAlready",
        "OfficerRepeated",
        "AgreementOverlap",
        "ScenarioUnknown",
        "RegionNotInForce",
        "ValidityReversed",
        "AgreementHasEnded",
        "AgreementSuspendedAlready",
        "AgreementNotSuspended",
        "AgreementChanged",
    }
)
