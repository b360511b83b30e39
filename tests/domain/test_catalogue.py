"""The catalogue of service items: what is named and what is published, as of any day; the hard ones of it, each with its right value."""

from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chuanyu.exchange.v1 import acceptance_pb2, usage_government_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items
from hypothesis import given
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.agreement import Agreements, Terms
from hub.domain.card import Fact
from hub.domain.errors import BeforeCatalogue, NothingToSign, OfficerRepeated, RequestInvalid, UnknownItem
from hub.domain.joint_services.answers import compare, figures, get_item, list_items
from hub.domain.joint_services.book import BOOK, DRAFTED, CatalogueBook
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.joint_services.periods import periods
from hub.domain.joint_services.usable import Holder, list_usable
from tests.domain.test_reference import write
from tests.facts import at, history, registered, told

TABLES = reference.load()
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOTH = frozenset({"50", "51"})
ALL = Terms("ALL/1", frozenset(TABLES.scenario_codes), BOTH, BOTH, (), frozenset(), frozenset(), 0, None)
CARD = history(registered("ACTIVE", birth_date="1990-03-07"))
ITEM_COLUMNS = "item_id,name_zh,name_en,pinyin,department,base_code,life_events,successors,valid_from,valid_to,source\n"
COLUMNS = (
    "item_id,province,implementing_code,regions,mode,mode_basis,channels,auth_level,promised_working_days,legal_working_days,fee_fen,"
    "min_age_years,max_age_years,materials,state,basis,since,valid_from,valid_to,source\n"
)
# An item that was split into two others on 2024-01-01, on both sides; a mode that changed; a suspension; one that one side alone offers.
ITEMS = ITEM_COLUMNS + (
    "TB001,户籍证明,Household,hu ji zheng ming,公安,BASE-1,,TB002;TB003,2020-11-03,2024-01-01,[D]\n"
    "TB002,户籍证明甲,Household A,hu ji zheng ming jia,公安,BASE-2,,,2020-11-03,,[D]\n"
    "TB003,户籍证明乙,Household B,hu ji zheng ming yi,公安,BASE-3,,,2020-11-03,2025-01-01,[D]\n"
    "TB003,户籍证明乙,Household B,hu ji zheng ming yi,政务,BASE-3,,,2025-01-01,,[D]\n"
)
SINCE_2021 = "PUBLISHED,FROM,2021-01-01,2024-01-01,[D]\n"
VERSIONS = COLUMNS + (
    f"TB001,50,511A0138000000-500000000000-000-115113010833722043-1-00,,JOINT,PUBLISHED,,,,,,,,UNKNOWN,LIVE,{SINCE_2021}"
    f"TB001,51,511A0138000000-511602000000-000-115113010833722043-1-00,,JOINT,PUBLISHED,,,,,,,,UNKNOWN,LIVE,{SINCE_2021}"
    "TB002,50,,,JOINT,PUBLISHED,,,,,,,,UNKNOWN,LIVE,PUBLISHED,FROM,2024-01-01,2025-06-01,[D]\n"
    "TB002,50,,,FULL_ONLINE,PUBLISHED,,,,,,,,UNKNOWN,LIVE,PUBLISHED,FROM,2025-06-01,,[D]\n"
    "TB002,51,,,FULL_ONLINE,PUBLISHED,,,,,,,,UNKNOWN,LIVE,PUBLISHED,FROM,2024-01-01,2025-07-01,[D]\n"
    "TB002,51,,,FULL_ONLINE,PUBLISHED,,,,,,,,UNKNOWN,SUSPENDED,PUBLISHED,FROM,2025-07-01,2025-08-01,[D]\n"
    "TB002,51,,,FULL_ONLINE,PUBLISHED,,,,,,,,UNKNOWN,LIVE,PUBLISHED,FROM,2025-08-01,,[D]\n"
    "TB003,51,,,JOINT,PUBLISHED,,,,,,,,UNKNOWN,LIVE,PUBLISHED,FROM,2024-01-01,,[D]\n"
)


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return Catalogue(TABLES, None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    directory: Path = tmp_path_factory.mktemp("tables")
    changed = {"service_items.csv": ITEMS, "service_item_versions.csv": VERSIONS}
    packages = "package_id,name_zh,name_en,provinces,items,valid_from,valid_to,source\nHOUSE,户籍,Household,50;51,TB002,2024-06-01,,[D]\n"
    return Catalogue(reference.load(write(directory, {**changed, "service_item_packages.csv": packages})), None)


def draft(item_id: str = "TB057", province: str = "50", officer: str = "5001", **says: Any) -> items.ServiceItemDrafted:
    """A draft of a version, offered from 2025-10-01 on unless it says otherwise."""
    version = items.ServiceItemVersion(**{"state": 2, "basis": 4, "valid_from": "2025-10-01", **says})
    return items.ServiceItemDrafted(item_id=item_id, province=province, officer=officer, version=version)


def approved(*drafts: items.ServiceItemDrafted) -> Catalogue:
    """The shipped catalogue with drafts that another officer of the side approved, in this order."""
    book: CatalogueBook | None = None
    for one in drafts:
        if book is None:
            book = CatalogueBook.begin(DRAFTED, one, BOOK, NOW)
        else:
            book.draft(one, NOW)
        book.approve(items.ServiceItemApproved(item_id=one.item_id, province=one.province, checker="5009"), NOW)
    return Catalogue(TABLES, book)


def published(catalogue: Catalogue, day: str, measure: str = "ITEMS", batch: int = 0) -> tuple[int, str] | None:
    found = figures(catalogue.on(date.fromisoformat(day))).published
    return next(((one.value, one.source) for one in found if (one.measure, one.batch) == (measure, batch)), None)


def states(catalogue: Catalogue, item_id: str, day: str) -> list[str]:
    entry = catalogue.on(date.fromisoformat(day)).entries[item_id]
    return [items.ServiceItemState.Name(side.state).removeprefix("SERVICE_ITEM_STATE_") for side in entry.sides]


@pytest.mark.parametrize(
    ("day", "value"),
    [("2020-11-03", 95), ("2021-03-07", 95), ("2021-03-08", 210), ("2021-12-31", 311), ("2025-01-08", 311), ("2025-01-09", 355)],
)
def test_the_published_total_grows_as_its_sources_say(shipped: Catalogue, day: str, value: int) -> None:
    total = published(shipped, day)
    assert total is not None and total[0] == value and "[S" in total[1]


@pytest.mark.parametrize("day", ["2020-11-03", "2021-06-01", "2026-03-02"])
def test_named_rows_are_never_padded_to_a_published_total(shipped: Catalogue, day: str) -> None:
    assert figures(shipped.on(date.fromisoformat(day))).named == 118


def test_named_rows_say_where_they_come_from(shipped: Catalogue) -> None:
    counted = {one.name: one.count for one in figures(shipped.on(TODAY)).named_by_basis}
    assert counted == {"PUBLISHED": 30, "NATIONAL_LIST": 87, "ASSUMED": 1}


@pytest.mark.parametrize(("day", "shared", "not_known"), [("2021-04-01", 3, 113), ("2021-10-13", 5, 111), ("2025-08-26", 116, 0)])
def test_what_no_source_shows_on_a_day_is_not_known_and_not_counted(shipped: Catalogue, day: str, shared: int, not_known: int) -> None:
    counted = figures(shipped.on(date.fromisoformat(day)))
    assert (counted.named_shared, counted.named_not_known) == (shared, not_known)


def test_an_own_addition_and_a_goal_are_offered_by_nobody(shipped: Catalogue) -> None:
    assert states(shipped, "TB117", "2026-03-02") == ["DRAFT", "DRAFT"]
    assert states(shipped, "TB118", "2026-03-02") == ["DRAFT", "DRAFT"]


def test_no_mode_code_time_limit_or_material_is_invented(shipped: Catalogue) -> None:
    versions = [row.version for rows in TABLES.service_items.versions.values() for row in rows]
    assert len(versions) == 236
    assert {version.mode_basis for version in versions} == {items.SERVICE_ITEM_BASIS_ASSUMED}
    assert not any(one.implementing_code or one.channels or one.auth_level or one.materials_known for one in versions)
    assert not any(
        one.HasField("promised_working_days") or one.HasField("legal_working_days") or one.HasField("fee_fen") for one in versions
    )


@pytest.mark.parametrize("name", ["FULL_ONLINE", "COLLECT_FORWARD", "JOINT"])
def test_batch_one_had_its_95_items_by_mode_when_it_was_published(shipped: Catalogue, name: str) -> None:
    assert published(shipped, "2020-11-03", name, 1)[0] == {"FULL_ONLINE": 59, "COLLECT_FORWARD": 6, "JOINT": 30}[name]  # type: ignore[index]


def test_modes_of_batch_one_changed_from_59_to_82_full_online(shipped: Catalogue) -> None:
    assert published(shipped, "2021-10-12", "FULL_ONLINE", 1)[0] == 59  # type: ignore[index]
    assert published(shipped, "2021-10-13", "FULL_ONLINE", 1)[0] == 82  # type: ignore[index]
    # 6 and 30 went with 59; beside 82 they would be more than the batch has.
    assert published(shipped, "2021-10-13", "JOINT", 1) is None


def test_an_item_has_the_mode_of_the_day(made: Catalogue) -> None:
    modes = {day: made.on(date.fromisoformat(day)).entries["TB002"].side("50").version for day in ("2025-05-31", "2025-06-01")}
    assert modes["2025-05-31"].mode == usage_government_pb2.CASE_MODE_JOINT  # type: ignore[union-attr]
    assert modes["2025-06-01"].mode == usage_government_pb2.CASE_MODE_FULL_ONLINE  # type: ignore[union-attr]


def test_live_on_one_side_only_is_not_shared(made: Catalogue) -> None:
    entry = made.on(TODAY).entries["TB003"]
    assert states(made, "TB003", "2026-03-02") == ["NOT_YET", "LIVE"]
    assert not entry.is_shared
    assert figures(made.on(TODAY)).named_shared == 1


def test_suspended_on_one_side_is_not_shared_for_that_time(made: Catalogue) -> None:
    shared = {day: made.on(date.fromisoformat(day)).entries["TB002"].is_shared for day in ("2025-06-30", "2025-07-01", "2025-08-01")}
    assert shared == {"2025-06-30": True, "2025-07-01": False, "2025-08-01": True}


def test_one_base_code_has_two_implementing_codes(made: Catalogue) -> None:
    codes = [side.version.implementing_code for side in made.on(date(2023, 1, 1)).entries["TB001"].sides if side.version is not None]
    assert len(set(codes)) == 2 and max(map(len, codes)) <= 64
    assert {made.item_id(code) for code in (*codes, "BASE-1", "TB001")} == {"TB001"}


def test_a_department_that_was_re_organised_is_that_of_the_day(made: Catalogue) -> None:
    departments = [made.on(day).entries["TB003"].definition.department for day in (date(2024, 12, 31), date(2025, 1, 1))]
    assert departments == ["公安", "政务"]


def test_a_split_item_ends_and_leads_to_its_successors(made: Catalogue) -> None:
    assert states(made, "TB001", "2023-12-31") == ["LIVE", "LIVE"]
    assert states(made, "TB001", "2024-01-01") == ["WITHDRAWN", "WITHDRAWN"]
    answer = get_item(made, protos.GetServiceItemRequest(code="BASE-1", as_of="2026-03-02"), TODAY)
    assert [one.item_id for one in answer.successors] == ["TB002", "TB003"]
    assert [(one.province, one.from_on, one.to_on) for one in answer.periods] == [
        ("50", "2021-01-01", "2024-01-01"),
        ("51", "2021-01-01", "2024-01-01"),
    ]


def test_what_begins_later_is_not_offered_before(made: Catalogue) -> None:
    assert states(made, "TB001", "2020-12-31") == ["NOT_YET", "NOT_YET"]


def test_a_day_before_the_first_batch_is_refused(shipped: Catalogue) -> None:
    with pytest.raises(BeforeCatalogue) as refused:
        list_items(shipped, protos.ListServiceItemsRequest(as_of="2020-11-02"), TODAY)
    assert refused.value.metadata == {"first_day": "2020-11-03"}


def test_an_unknown_item_is_refused(shipped: Catalogue) -> None:
    with pytest.raises(UnknownItem):
        get_item(shipped, protos.GetServiceItemRequest(code="TB999"), TODAY)


def test_a_day_that_the_calendar_has_not_is_refused(shipped: Catalogue) -> None:
    with pytest.raises(RequestInvalid) as refused:
        list_items(shipped, protos.ListServiceItemsRequest(as_of="2025-02-29"), TODAY)
    assert refused.value.violations == [("as_of", "impossible_date")]


# What the sides change


def test_an_approved_version_takes_over_from_its_day_and_not_before() -> None:
    catalogue = approved(draft(mode=usage_government_pb2.CASE_MODE_JOINT, implementing_code="CQ-057"))
    before, after = (catalogue.on(day).entries["TB057"].side("50").version for day in (date(2025, 9, 30), date(2025, 10, 1)))
    assert before.mode == usage_government_pb2.CASE_MODE_FULL_ONLINE and not before.implementing_code  # type: ignore[union-attr]
    assert after.mode == usage_government_pb2.CASE_MODE_JOINT  # type: ignore[union-attr]
    assert catalogue.item_id("CQ-057") == "TB057"


def test_a_side_that_ends_an_item_takes_it_out_of_what_is_shared() -> None:
    catalogue = approved(draft(state=items.SERVICE_ITEM_STATE_WITHDRAWN))
    assert states(catalogue, "TB057", "2025-10-01") == ["WITHDRAWN", "LIVE"]
    assert figures(catalogue.on(TODAY)).named_shared == 115


def test_a_side_says_since_when_it_offers_an_item_and_it_is_known_then() -> None:
    catalogue = approved(draft("TB001", valid_from="2021-01-05"))
    assert states(catalogue, "TB001", "2021-01-04") == ["NOT_YET", "NOT_KNOWN"]
    assert states(catalogue, "TB001", "2021-01-05") == ["LIVE", "NOT_KNOWN"]


def test_a_draft_changes_nothing_and_its_maker_does_not_approve_it() -> None:
    book = CatalogueBook.begin(DRAFTED, draft(state=items.SERVICE_ITEM_STATE_WITHDRAWN), BOOK, NOW)
    assert states(Catalogue(TABLES, book), "TB057", "2025-10-01") == ["LIVE", "LIVE"]
    with pytest.raises(OfficerRepeated):
        book.approve(items.ServiceItemApproved(item_id="TB057", province="50", checker="5001"), NOW)
    with pytest.raises(NothingToSign):
        book.approve(items.ServiceItemApproved(item_id="TB057", province="51", checker="5009"), NOW)


@given(st.lists(st.tuples(st.dates(date(2020, 11, 3), date(2026, 1, 1)), st.none() | st.integers(1, 900)), max_size=6))
def test_a_side_has_one_version_at_a_time(spans: list[tuple[date, int | None]]) -> None:
    versions = []
    for begins, days in spans:
        ends = "" if days is None else date.fromordinal(begins.toordinal() + days).isoformat()
        versions.append(items.ServiceItemVersion(state=2, valid_from=begins.isoformat(), valid_to=ends))
    found = periods(versions)
    assert all(earlier.to_day is not None and earlier.to_day <= later.from_day for earlier, later in pairwise(found))
    if versions:
        newest = date.fromisoformat(versions[-1].valid_from).toordinal()
        assert any(one.covers(newest) and one.version is versions[-1] for one in found)


# Lists and comparisons


def test_pages_give_every_item_once_and_end(shipped: Catalogue) -> None:
    found, token = [], ""
    while True:
        page = list_items(shipped, protos.ListServiceItemsRequest(page_size=50, page_token=token), TODAY)
        found += [item.item_id for item in page.items]
        token = page.next_page_token
        if not token:
            break
    assert page.total == len(found) == len(set(found)) == 118


@pytest.mark.parametrize("token", ["x", "-1.0", "50", "50.7", "５0.0"])
def test_a_page_of_another_list_is_refused(shipped: Catalogue, token: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        list_items(shipped, protos.ListServiceItemsRequest(page_token=token), TODAY)
    assert refused.value.violations == [("page_token", "page_of_another_list")]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"department": "政务"}, ["TB003"]),
        ({"shared": True}, ["TB002"]),
        ({"shared": False}, ["TB001", "TB003"]),
        ({"mode": usage_government_pb2.CASE_MODE_JOINT}, ["TB003"]),
        ({"mode": usage_government_pb2.CASE_MODE_JOINT, "province": "50"}, []),
        ({"state": items.SERVICE_ITEM_STATE_WITHDRAWN}, ["TB001"]),
        ({"state": items.SERVICE_ITEM_STATE_LIVE, "province": "50"}, ["TB002"]),
        ({"package_id": "HOUSE"}, ["TB002"]),
        ({"text": "户籍证明乙"}, ["TB003"]),
        ({"life_event": "birth"}, []),
    ],
)
def test_a_filter_finds_what_it_names(made: Catalogue, wanted: dict[str, Any], expected: list[str]) -> None:
    answer = list_items(made, protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(**wanted)), TODAY)
    assert [item.item_id for item in answer.items] == expected


def test_a_comparison_says_what_changed_and_when_nothing_did(made: Catalogue) -> None:
    answer = compare(made, protos.CompareCatalogueRequest(from_on="2024-12-31", to_on="2025-06-01"))
    assert [(one.item_id, one.province, one.field, one.before, one.after) for one in answer.changes] == [
        ("TB002", "50", "mode", "CASE_MODE_JOINT", "CASE_MODE_FULL_ONLINE"),
        ("TB003", "", "department", "公安", "政务"),
    ]
    assert not compare(made, protos.CompareCatalogueRequest(from_on="2025-06-01", to_on="2025-06-02")).changes
    with pytest.raises(RequestInvalid):
        compare(made, protos.CompareCatalogueRequest(from_on="2025-06-01", to_on="2025-06-01"))


# What a holder can use


def usable(catalogue: Catalogue, facts: list[Fact] = CARD, region: str = "510100", **says: Any) -> protos.ListUsableItemsResponse:
    """What the holder of a Chongqing card can use, a year after it was registered."""
    holder = {
        "facts": facts, "agreements": Agreements((ALL,)), "issuing_province": "50", "region": region,
        "medium": acceptance_pb2.MEDIUM_CONTACT, "auth_level": acceptance_pb2.AUTH_LEVEL_CARD, "deciding_province": "50",
        "materials_at_hand": frozenset(), "at_us": at(365 * 24),
    }  # fmt: skip
    return list_usable(catalogue, Holder(**{**holder, **says}), 1)


def item_of(answer: protos.ListUsableItemsResponse, item_id: str) -> protos.UsableItem:
    return next(item for item in answer.items if item.item_id == item_id)


def lacks(item: protos.UsableItem) -> list[tuple[str, str]]:
    return [(protos.MissingKind.Name(one.kind).removeprefix("MISSING_KIND_"), one.code) for one in item.missing]


def test_a_card_of_the_other_side_can_use_what_is_shared_and_nothing_is_held_against_the_unknown(shipped: Catalogue) -> None:
    answer = usable(shipped)
    assert (len(answer.items), answer.usable_count, list(answer.missing_for_all)) == (116, 116, [])
    assert set(item_of(answer, "TB057").not_known) == {"AUTH_LEVEL", "MATERIALS"}


def test_the_cards_standing_stands_in_the_way_of_every_item(shipped: Catalogue) -> None:
    answer = usable(shipped, history(registered("SEALED")))
    assert [(one.kind, one.code) for one in answer.missing_for_all] == [(protos.MISSING_KIND_CARD, "CARD_SEALED")]
    assert answer.usable_count == 0 and len(answer.items) == 116


def test_without_an_agreement_no_item_is_usable_on_the_other_side(shipped: Catalogue) -> None:
    answer = usable(shipped, agreements=Agreements(()))
    assert [(one.kind, one.code) for one in answer.missing_for_all] == [(protos.MISSING_KIND_AGREEMENT, "NO_AGREEMENT")]
    assert usable(shipped, agreements=Agreements(()), region="500103").usable_count == 116


def test_what_one_side_alone_offers_is_usable_at_home_only() -> None:
    catalogue = approved(draft("TB057", "51", state=items.SERVICE_ITEM_STATE_WITHDRAWN))
    assert len(usable(catalogue).items) == 115
    assert item_of(usable(catalogue, region="500103"), "TB057").usable


BOOK_AND_PHOTO = [
    items.ServiceMaterial(code="HOUSEHOLD_BOOK", name_zh="户口簿"),
    items.ServiceMaterial(code="PHOTO", name_zh="照片", waived_by=items.MATERIAL_WAIVER_SHARED_DATA),
]
WAIVED = [items.ServiceMaterial(code="HOUSEHOLD_BOOK", name_zh="户口簿", waived_by=items.MATERIAL_WAIVER_COMMITMENT)]


def test_a_material_that_one_side_waives_is_asked_for_where_the_other_one_decides() -> None:
    catalogue = approved(
        draft(province="50", materials_known=True, materials=BOOK_AND_PHOTO),
        draft(province="51", materials_known=True, materials=WAIVED),
    )
    decided_at_home = item_of(usable(catalogue, deciding_province="50"), "TB057")
    decided_here = item_of(usable(catalogue, deciding_province="51"), "TB057")
    assert lacks(decided_at_home) == [("MATERIAL", "HOUSEHOLD_BOOK")]
    assert lacks(decided_here) == [] and decided_here.usable
    brought = item_of(usable(catalogue, materials_at_hand=frozenset({"HOUSEHOLD_BOOK"})), "TB057")
    assert brought.usable


def test_the_stricter_sides_authentication_level_counts() -> None:
    catalogue = approved(draft(auth_level=acceptance_pb2.AUTH_LEVEL_FACE), draft(province="51", auth_level=acceptance_pb2.AUTH_LEVEL_CARD))
    assert lacks(item_of(usable(catalogue), "TB057")) == [("AUTH_LEVEL", "FACE")]
    assert item_of(usable(catalogue, auth_level=acceptance_pb2.AUTH_LEVEL_FACE), "TB057").usable


@pytest.mark.parametrize(
    ("born", "lacking"),
    [("2010-08-31", [("AGE", "18")]), ("1990-03-07", []), ("1960-01-01", [("AGE", "60")]), ("", [])],
)
def test_age_is_missing_where_it_is_known_and_outside(born: str, lacking: list[tuple[str, str]]) -> None:
    catalogue = approved(draft(min_age_years=18, max_age_years=60))
    item = item_of(usable(catalogue, history(registered("ACTIVE", birth_date=born))), "TB057")
    assert lacks(item) == lacking
    assert ("AGE" in item.not_known) == (not born)


@pytest.mark.parametrize(("region", "lacking"), [("500157", []), ("500109", []), ("500103", [("PLACE", "500103")])])
def test_an_item_of_a_district_that_was_split_is_handled_where_its_towns_are_now(region: str, lacking: list[tuple[str, str]]) -> None:
    catalogue = approved(draft(regions=["500112"], valid_from="2025-10-01"))
    # 2026-08-31: 500112 is no more since 2025-11-06.
    assert lacks(item_of(usable(catalogue, region=region), "TB057")) == lacking


def test_a_lost_card_is_said_so_with_advice(shipped: Catalogue) -> None:
    answer = usable(shipped, history(registered("ACTIVE"), told("formal_loss_reported", 1)))
    (missing,) = answer.missing_for_all
    assert missing.code == "LOST_FORMAL" and missing.text_zh and missing.text_en
