"""How officers of a side change the catalogue of service items: drafts, approvals, what is refused, and the commands."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from hub.admin.agreements import Officer
from hub.admin.message_toml import fill, read_toml
from hub.admin.service_items import approve_version, draft_version, read_book, read_catalogue
from hub.cli import app
from hub.domain.errors import (
    CatalogueChanged,
    HubError,
    NothingToSign,
    OfficerRepeated,
    RegionNotInForce,
    RequestInvalid,
    ValidityReversed,
)
from hub.domain.joint_services.answers import get_item
from hub.domain.joint_services.book import BOOK, CatalogueBook
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAKER, CHECKER = Officer("50", "5001"), Officer("50", "5002")
DAY = date(2026, 3, 2)
NEW_ITEM = {"name_zh": "川渝试办事项", "name_en": "Trial item", "pinyin": "chuan yu shi ban shi xiang", "department": "政务"}


@pytest.fixture
def store(dsn: str) -> Iterator[AggregateStore]:
    with closing(AggregateStore(dsn)) as store:
        yield store


def draft(item_id: str = "TB057", definition: dict[str, Any] | None = None, **says: Any) -> items.ServiceItemDrafted:
    version = items.ServiceItemVersion(**{"state": 2, "valid_from": "2026-01-01", **says})
    return items.ServiceItemDrafted(item_id=item_id, version=version, definition=definition and items.ServiceItemDefinition(**definition))


def side_of(dsn: str, item_id: str, province: str = "50") -> Any:
    with session(dsn, "hub_reader", "test") as connection:
        return read_catalogue(connection).on(DAY).entries[item_id].side(province)


def test_a_version_holds_once_another_officer_of_the_side_has_approved_it(dsn: str, store: AggregateStore) -> None:
    first = draft_version(store, draft(implementing_code="CQ-057", promised_working_days=3), MAKER, NOW)
    assert not side_of(dsn, "TB057").version.implementing_code
    second = approve_version(store, "TB057", CHECKER, NOW)
    assert second == first + 1
    version = side_of(dsn, "TB057").version
    assert (version.implementing_code, version.promised_working_days) == ("CQ-057", 3)
    assert version.basis == items.SERVICE_ITEM_BASIS_APPROVED
    assert side_of(dsn, "TB057", "51").version.implementing_code == ""


def test_where_it_comes_from_is_not_the_drafts_to_say(dsn: str, store: AggregateStore) -> None:
    draft_version(store, draft(mode=1, basis=1, mode_basis=1, known_by_only=True), MAKER, NOW)
    approve_version(store, "TB057", CHECKER, NOW)
    version = side_of(dsn, "TB057").version
    assert (version.basis, version.mode_basis, version.known_by_only) == (4, 4, False)


def test_an_item_that_the_table_lacks_is_defined_with_its_first_version(dsn: str, store: AggregateStore) -> None:
    draft_version(store, draft("CY001", NEW_ITEM), MAKER, NOW)
    approve_version(store, "CY001", CHECKER, NOW)
    draft_version(store, draft("CY001"), Officer("51", "5101"), NOW)
    approve_version(store, "CY001", Officer("51", "5102"), NOW)
    with session(dsn, "hub_reader", "test") as connection:
        day = read_catalogue(connection).on(DAY)
    assert day.entries["CY001"].is_shared
    assert day.search.find("试办事项") == day.search.find("cysbsx") == ["CY001"]


def test_the_book_goes_on_from_where_it_was_read(dsn: str, store: AggregateStore) -> None:
    with session(dsn, "hub_reader", "test") as connection:
        assert read_book(connection) is None
        draft_version(store, draft(), MAKER, NOW)
        book = read_book(connection)
        assert book is not None and book.version == 1
        approve_version(store, "TB057", CHECKER, NOW)
        assert read_book(connection, book) is book and book.version == 2
        again = read_book(connection)
        assert again is not None and (again.approved, again.proposals) == (book.approved, book.proposals)


def test_who_is_second_is_refused_and_nothing_is_lost(dsn: str, store: AggregateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    draft_version(store, draft(), MAKER, NOW)
    late = store.get(CatalogueBook, BOOK)
    approve_version(store, "TB057", CHECKER, NOW)
    # As it is for an operator who read the book just before the other one's act was recorded.
    monkeypatch.setattr(store, "get", lambda *_: late)
    with pytest.raises(CatalogueChanged):
        draft_version(store, draft("TB058"), MAKER, NOW)
    with session(dsn, "hub_reader", "test") as connection:
        book = read_book(connection)
    assert book is not None and (book.version, list(book.proposals)) == (2, [])


def drafts(*about: Any, by: Officer = MAKER, **says: Any) -> Callable[[AggregateStore], int]:
    return lambda store: draft_version(store, draft(*about, **says), by, NOW)


REFUSED: list[tuple[str, Callable[[AggregateStore], int], type[HubError], str]] = [
    ("end before beginning", drafts(valid_to="2026-01-01"), ValidityReversed, "version.valid_to"),
    ("no day", drafts(valid_from="2026-02-30"), RequestInvalid, "version.valid_from: impossible_date"),
    ("no form of a day", drafts(valid_from="2026"), RequestInvalid, "version.valid_from: string.pattern"),
    ("region that has ended", drafts(regions=["500112"]), RegionNotInForce, "500112"),
    ("region of the other side", drafts(regions=["5101"]), RegionNotInForce, "5101"),
    ("new item without definition", drafts("CY001"), RequestInvalid, "definition: required"),
    ("defined already", drafts("TB057", NEW_ITEM), RequestInvalid, "definition: is_in_the_table"),
    ("id", drafts("57", NEW_ITEM), RequestInvalid, "item_id: string.pattern"),
    ("side", drafts(by=Officer("52", "5201")), RequestInvalid, "province: string.in"),
    ("officer", drafts(by=Officer("50", "")), RequestInvalid, "officer: string.min_len"),
    ("code too long", drafts(implementing_code="5" * 65), RequestInvalid, "implementing_code"),
    (
        "an identifier in place of an officer",
        drafts(by=Officer("50", "500199198503120015")),
        RequestInvalid,
        "officer: no_identifier",
    ),
    ("nothing to approve", lambda s: approve_version(s, "TB057", CHECKER, NOW), NothingToSign, "TB057"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "act", "error", "said"), REFUSED, ids=[one[0] for one in REFUSED])
def test_a_wrong_draft_is_refused_by_its_field(
    store: AggregateStore, what: str, act: Callable[[AggregateStore], int], error: type[HubError], said: str
) -> None:
    with pytest.raises(error) as refused:
        act(store)
    assert said in str(refused.value) or said in refused.value.metadata.values()
    assert store.get(CatalogueBook, BOOK) is None


def test_a_code_that_another_item_has_is_refused(store: AggregateStore) -> None:
    draft_version(store, draft(implementing_code="CQ-057"), MAKER, NOW)
    approve_version(store, "TB057", CHECKER, NOW)
    with pytest.raises(RequestInvalid) as refused:
        draft_version(store, draft("TB058", implementing_code="CQ-057"), MAKER, NOW)
    assert refused.value.violations == [("version.implementing_code", "of_another_item")]


def test_a_material_that_is_named_twice_is_refused(store: AggregateStore) -> None:
    photo = items.ServiceMaterial(code="PHOTO", name_zh="照片")
    with pytest.raises(RequestInvalid) as refused:
        draft_version(store, draft(materials=[photo, photo]), MAKER, NOW)
    assert refused.value.violations == [("version.materials", "repeated")]


def test_who_drafts_does_not_approve(store: AggregateStore) -> None:
    draft_version(store, draft(), MAKER, NOW)
    with pytest.raises(OfficerRepeated):
        approve_version(store, "TB057", MAKER, NOW)
    with pytest.raises(NothingToSign):
        approve_version(store, "TB057", Officer("51", "5102"), NOW)


# Files and commands

FILE = """item_id = "TB057"

[version]
mode = "FULL_ONLINE"
channels = ["ONLINE", "MOBILE"]
auth_level = "PIN"
implementing_code = "CQ-057"
promised_working_days = 1
fee_fen = 0
valid_from = 2026-03-01

[[version.materials]]
code = "SOCIAL_CARD"
name_zh = "社会保障卡"
waived_by = "E_LICENCE"
"""


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs `hub items` on the test's database, and returns its exit code and what it said."""
    monkeypatch.setenv("HUB_DSN", dsn)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["items", *arguments])
        return result.exit_code, result.output

    return run


def test_a_side_changes_an_item_by_commands(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    file = tmp_path / "item.toml"
    file.write_text(FILE, encoding="utf-8")
    assert run("draft", str(file), "--side", "50", "--officer", "5001")[0] == 0
    assert json.loads(run("waiting", "--json")[1])[0]["officer"] == "5001"
    assert run("approve", "TB057", "--side", "50", "--checker", "5001")[0] == 1
    assert run("approve", "TB057", "--side", "50", "--checker", "5002")[0] == 0
    assert "0 份" in run("waiting")[1]
    shown = json.loads(run("show", "CQ-057", "--at", "2026-03-02", "--json")[1])
    version = shown["item"]["sides"][0]["version"]
    assert (version["auth_level"], version["materials"][0]["waived_by"]) == ("AUTH_LEVEL_PIN", "MATERIAL_WAIVER_E_LICENCE")
    code, text = run("show", "TB057", "--at", "2026-03-02")
    assert code == 0 and "社会保障卡（SOCIAL_CARD，免 waived by E_LICENCE）" in text and "承诺时限 promised working days: 1" in text


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("item_id = ", "file: 不是 TOML"),
        ('item_id = "TB057"\n', "version: "),
        ('item_id = "TB057"\n[version]\nmode = "LATER"\n', "version.mode: "),
        ('item_id = "TB057"\n[version]\nspeed = 1\n', "version.speed: "),
        ('item_id = "TB057"\n[version]\nregions = "5001"\n', "version.regions: "),
        ('item_id = "TB057"\n[version]\nfee_fen = true\n', "version.fee_fen: "),
        ('item_id = "TB057"\n[version]\nfee_fen = -1\n', "version.fee_fen: "),
        ("item_id = 57\n[version]\nvalid_from = 2026-03-01\n", "item_id: "),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_field(run: Callable[..., tuple[int, str]], tmp_path: Path, file: str, said: str) -> None:
    path = tmp_path / "item.toml"
    path.write_text(file, encoding="utf-8")
    code, text = run("draft", str(path), "--side", "50", "--officer", "5001")
    assert (code, said in text) == (1, True), text


def test_a_file_is_read_whole() -> None:
    drafted = items.ServiceItemDrafted()
    fill(drafted, read_toml(FILE.encode()), "item_id", "version")
    assert MessageToDict(drafted, preserving_proto_field_name=True) == {
        "item_id": "TB057",
        "version": {
            "implementing_code": "CQ-057",
            "mode": "CASE_MODE_FULL_ONLINE",
            "channels": ["SERVICE_ITEM_CHANNEL_ONLINE", "SERVICE_ITEM_CHANNEL_MOBILE"],
            "auth_level": "AUTH_LEVEL_PIN",
            "promised_working_days": 1,
            "fee_fen": "0",
            "materials": [{"code": "SOCIAL_CARD", "name_zh": "社会保障卡", "waived_by": "MATERIAL_WAIVER_E_LICENCE"}],
            "valid_from": "2026-03-01",
        },
    }


def test_commands_print_lists_and_comparisons(run: Callable[..., tuple[int, str]]) -> None:
    code, text = run("list", "--at", "2021-10-13", "--most", "2")
    assert code == 0 and "全程网办 full online 82" in text and "--page 2.0" in text
    assert run("search", "社保卡", "--most", "1")[1].count("TB031") == 1
    code, text = run("compare", "2020-11-03", "2021-04-01")
    assert code == 0 and "TB057" in text and "NOT_KNOWN → LIVE" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--at", "2020-11-02"), "2020-11-03"),
        (("show", "TB999"), "事项目录中没有"),
        (("list", "--mode", "ONLINE"), "FULL_ONLINE"),
        (("list", "--page", "x"), "page_token"),
        (("compare", "2025-01-01", "2024-01-01"), "to_on"),
    ],
)
def test_commands_refuse_in_one_line(run: Callable[..., tuple[int, str]], arguments: tuple[str, ...], said: str) -> None:
    code, text = run(*arguments)
    assert code in (1, 2) and said in text


def test_the_commands_and_the_service_answer_by_the_same_function(dsn: str, run: Callable[..., tuple[int, str]]) -> None:
    with session(dsn, "hub_reader", "test") as connection:
        answer = get_item(read_catalogue(connection), protos.GetServiceItemRequest(code="TB001", as_of="2026-03-02"), DAY)
    shown = json.loads(run("show", "TB001", "--at", "2026-03-02", "--json")[1])
    assert shown == MessageToDict(answer, preserving_proto_field_name=True)
