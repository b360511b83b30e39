"""Pages and tables that are generated: each says what the hub runs by now."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from google.rpc import code_pb2
from typer.main import get_command

from hub.api.edge.statuses import CODES
from hub.cli import app
from hub.commands.docs import PAGES
from hub.commands.lazy import imported
from hub.commands.pages.contract import OF_EVERY_CALL, PACKAGE, comments, method_text, reason_text, reasons, services
from hub.commands.pages.protocol import given_by
from hub.config import Config
from hub.domain import reference
from hub.domain.role_table import role_table

ROOT = Path(__file__).parents[2]
WRITTEN = sorted(page for pattern in ("*.md", "docs/*.md", "docker/*.md", "adapters/**/*.md") for page in ROOT.glob(pattern))
COMMANDS = imported(get_command(app))
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
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert [code for code in reference.load().reasons if code not in page] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_files_that_exist(page: Path) -> None:
    named = set(re.findall(r"`((?:hub|adapters|protos|migrations|tests|docker|docs)/[\w./-]+)`", page.read_text(encoding="utf-8")))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_commands_that_exist(page: Path) -> None:
    named = set(re.findall(r"(?:`|bin/)hub ([a-z-]+)(?: ([a-z][a-z-]+)\b)?", page.read_text(encoding="utf-8")))
    assert sorted(" ".join(words) for words in named if not is_command(*words)) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_between_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#([^)]+))?\)", page.read_text(encoding="utf-8"))
    gone = [(file, anchor) for file, anchor in links if not (page.parent / file).exists()]
    gone += [
        (file, anchor) for file, anchor in links if anchor and (page.parent / file).exists() and anchor not in anchors(page.parent / file)
    ]
    assert gone == []


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_a_newcomer_finds_every_room_and_service_in_the_readme(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    rooms = {f"{room.parent.name}/" for room in (ROOT / "hub").glob("*/__init__.py")}
    rooms |= {f"{room.parent.name}/" for room in (ROOT / "adapters").glob("*/__init__.py")}
    calls = {service.name for service in services()}
    assert sorted(name for name in rooms | calls if name not in text) == []


def test_the_list_of_pages_has_each_of_them_once() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8").partition("\n## ")[2])
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md") if page.name not in ("README.md", "glossary.md"))


def test_the_page_of_decisions_says_of_every_direct_dependency_what_it_is_for() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    rows = text.partition("| package | for |")[2].partition("\n\n")[0]
    named = {name for row in rows.splitlines() if row for name in re.findall(r"`([a-z][\w-]*)(?:\[[^`]*)?`", row.split("|")[1])}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    groups = [one for group in [*extras.values(), *project["dependency-groups"].values()] for one in group if isinstance(one, str)]
    assert named == {re.split(r"[\[=]", one)[0] for one in [*project["project"]["dependencies"], *groups]}


def test_the_page_of_quotas_names_the_defaults_of_the_settings() -> None:
    text = (ROOT / "docs" / "quotas.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| `HUB_QUOTA_(\w+)` \|", text, re.MULTILINE)
    limits = {setting.name.removeprefix("quota_"): setting.default for setting in fields(Config) if setting.name.startswith("quota_")}
    assert {name: int(default.replace(",", "")) for name, default, _ in rows} == limits
    assert [name for name, _, variable in rows if name.upper() != variable] == []


def is_command(name: str, further: str) -> bool:
    found = COMMANDS.get(name)
    return found is not None and (not further or not hasattr(found, "commands") or further in imported(found))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


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
