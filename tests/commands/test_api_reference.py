"""The reference of the API: one HTML file with everything of the contract in it, and nothing that lies outside it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import protovalidate
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from typer.testing import CliRunner

from hub.cli import app
from hub.commands.pages.contract import PACKAGE, files, reasons, services
from hub.commands.pages.reference import chinese, examples, page, samples
from hub.domain import reference
from hub.domain.quarantine import MEANINGS
from hub.domain.role_table import ROLES

METHODS = [method.name for service in services() for method in service.method]
EVENT = event_pb2.Event.DESCRIPTOR


class Reader(HTMLParser):
    """Notes anchors, links, elements that load something, and whether every element is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.elements: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.anchors.append(value or "")
            if name == "href":
                self.links.append(value or "")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text() -> str:
    """The page."""
    return page()


@pytest.fixture(scope="module")
def reader(text: str) -> Reader:
    """The page, read."""
    return Reader(text)


def messages() -> Iterator[Descriptor]:
    for name in {file.name for file in files()}:
        waiting = list(EVENT.file.pool.FindFileByName(name).message_types_by_name.values())
        while waiting:
            message = waiting.pop()
            yield message
            waiting += message.nested_types


def enums() -> Iterator[EnumDescriptor]:
    for file in files():
        yield from EVENT.file.pool.FindFileByName(file.name).enum_types_by_name.values()
    for message in messages():
        yield from message.enum_types


def below_package(full_name: str) -> str:
    return full_name.removeprefix(f"{PACKAGE}.")


def test_every_service_and_method_has_its_place(reader: Reader) -> None:
    places = {service.name for service in services()} | {
        f"{service.name}.{method.name}" for service in services() for method in service.method
    }
    assert len(METHODS) >= 12
    assert places - set(reader.anchors) == set()


def test_every_message_and_field_has_its_place(reader: Reader) -> None:
    places = {below_package(one.full_name) for message in messages() for one in (message, *message.fields)}
    assert "Event.occurred_at" in places
    assert places - set(reader.anchors) == set()


def test_every_enum_and_value_has_its_place(reader: Reader) -> None:
    places = {f"{below_package(enum.full_name)}.{value.name}" for enum in enums() for value in enum.values}
    assert "Medium.MEDIUM_CONTACTLESS" in places
    assert (places | {below_package(enum.full_name) for enum in enums()}) - set(reader.anchors) == set()


def test_every_error_reason_and_acceptance_reason_has_its_place(reader: Reader) -> None:
    places = {f"ErrorReason.{reason}" for reason in reasons()} | {f"reason.{code}" for code in reference.load().reasons}
    assert places - set(reader.anchors) == set()


def test_an_anchor_is_one_place_and_every_link_leads_to_one(reader: Reader) -> None:
    assert sorted({anchor for anchor in reader.anchors if reader.anchors.count(anchor) > 1}) == []
    assert {link for link in reader.links if link.removeprefix("#") not in reader.anchors} == set()


def test_nothing_lies_outside_the_page_and_nothing_runs_in_it(reader: Reader, text: str) -> None:
    assert {link for link in reader.links if not link.startswith("#")} == set()
    assert reader.elements & {"script", "link", "img", "iframe", "object", "embed", "form"} == set()
    assert reader.attributes & {"src", "srcset", "action", "style", "onclick", "onload"} == set()
    assert re.findall(r"https?:|//[a-z]|url\(|@import", text) == []


def test_every_element_is_closed(reader: Reader) -> None:
    assert reader.open == []


def test_every_kind_of_event_has_a_chinese_name(text: str) -> None:
    kinds = [field.name for field in EVENT.oneofs_by_name["kind"].fields]
    assert [kind for kind in kinds if chinese.kind(kind) not in text] == []


@pytest.mark.parametrize(
    ("enum", "name", "label"),
    [
        ("SocialStatus", "TEMP_LOST", "临时挂失"),
        ("BankAccountStatus", "ORAL_LOSS", "口头挂失"),
        ("AcceptanceOutcome", "STEP_UP", "需补充核验"),
        ("ParticipantRole", "ISSUER", "发卡机构"),
        ("Medium", "ECARD_QR", "电子社保卡二维码"),
    ],
)
def test_a_value_that_the_hub_has_a_chinese_name_for_shows_it(enum: str, name: str, label: str, text: str) -> None:
    assert chinese.value(enum, name) == label
    assert f"_{name}</code></td><td>{label}</td>" in text


def test_every_role_rule_and_scenario_has_its_place(reader: Reader) -> None:
    places = {f"role.{role}" for role in ROLES} | {f"rule.{rule}" for rule in MEANINGS}
    places |= {f"scenario.{code}" for code in reference.load().scenario_codes}
    assert places - set(reader.anchors) == set()


def test_every_limit_of_the_protocol_is_on_the_page_without_its_marks(text: str) -> None:
    assert "<td>1 MiB + 64 KiB</td>" in text
    assert "its quota</td>" in text


@pytest.mark.parametrize("method", METHODS)
def test_the_example_of_a_method_is_its_own_messages_and_keeps_their_rules(method: str, text: str) -> None:
    example = examples.of_method(method)
    declared = next(one for service in services() for one in service.method if one.name == method)
    assert [f".{message.DESCRIPTOR.full_name}" for message in example] == [declared.input_type, declared.output_type]
    for message in example:
        protovalidate.validate(message)
        assert json_format.Parse(examples.as_json(message), type(message)()) == message


def test_an_example_that_breaks_a_rule_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = samples.Example(feed_service_pb2.GetFeedRequest(), feed_service_pb2.GetFeedResponse())
    monkeypatch.setattr(examples, "EXAMPLES", {"GetFeed": lambda: wrong})
    with pytest.raises(protovalidate.ValidationError, match="feed"):
        examples.of_method("GetFeed")


def test_the_page_is_the_same_for_the_same_contract(text: str, tmp_path: Path) -> None:
    archive, reference = tmp_path / "protos.zip", tmp_path / "reference.html"
    done = CliRunner().invoke(app, ["protos", "--out", str(archive), "--reference", str(reference)])
    assert archive.exists()
    assert done.exit_code == 0
    assert (tmp_path / "reference.html").read_text(encoding="utf-8") == text


def test_a_place_for_the_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["protos", "--reference", str(tmp_path / "none" / "reference.html")])
    assert said.exit_code == 1
    assert "cannot be written" in said.stderr
