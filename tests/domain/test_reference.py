"""The reference tables as shipped, and what their loader refuses."""

from datetime import date
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import acceptance_pb2, references_pb2
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain import reference
from hub.domain.reference import InvalidReferenceTable, Reference, load

BEFORE_SPLIT = date(2025, 11, 5)
SPLIT = date(2025, 11, 6)


@pytest.fixture(scope="module")
def tables() -> Reference:
    return load()


def count(tables: Reference, province: str, level: str, on: date) -> int:
    return sum(region.code[:2] == province and region.level == level for region in tables.regions_in_force(on))


def test_sichuan_has_21_prefectures_and_183_counties(tables: Reference) -> None:
    assert count(tables, "51", "prefecture", SPLIT) == 21
    assert count(tables, "51", "county", SPLIT) == 183


def test_chongqing_has_38_counties_before_the_split_and_37_after(tables: Reference) -> None:
    assert count(tables, "50", "prefecture", SPLIT) == 0
    assert count(tables, "50", "county", BEFORE_SPLIT) == 38
    assert count(tables, "50", "county", SPLIT) == 37


@pytest.mark.parametrize("code", ["500105", "500112"])
def test_an_abolished_district_is_in_force_until_the_day_before_the_split(tables: Reference, code: str) -> None:
    assert tables.region(code, BEFORE_SPLIT) is not None
    assert tables.region(code, SPLIT) is None
    assert tables.is_region(code, 20397)
    assert not tables.is_region(code, 20398)


def test_the_new_district_begins_on_the_day_of_the_split(tables: Reference) -> None:
    assert tables.region("500157", BEFORE_SPLIT) is None
    assert tables.region("500157", SPLIT).name_zh == "两江新区"
    assert tables.region("500157", SPLIT).predecessors == ("500105", "500112", "500109")
    assert not tables.is_region("500157", 20397)
    assert tables.is_region("500157", 20398)


def test_the_split_is_no_rename(tables: Reference) -> None:
    assert tables.region("500105", BEFORE_SPLIT).successors == ("500157",)
    assert tables.region("500112", BEFORE_SPLIT).successors == ("500157", "500109")
    assert tables.region("500109", BEFORE_SPLIT).successors == ("500109", "500157")
    assert tables.region("500109", SPLIT).predecessors == ("500109", "500112")


@pytest.mark.parametrize("town", ["500112133", "500112135", "500112138", "500112140", "500112143"])
def test_five_towns_moved_to_beibei(tables: Reference, town: str) -> None:
    assert tables.region(town, BEFORE_SPLIT).parent == "500112"
    assert tables.region(town, SPLIT).parent == "500109"


@pytest.mark.parametrize("town", ["500109006", "500109008", "500109009", "500109104", "500109108"])
def test_five_units_of_beibei_moved_to_the_new_district(tables: Reference, town: str) -> None:
    assert tables.region(town, BEFORE_SPLIT).parent == "500109"
    assert tables.region(town, SPLIT).parent == "500157"


@pytest.mark.parametrize("town", ["500112133", "500109008"])
def test_a_town_that_moved_is_the_same_town(tables: Reference, town: str) -> None:
    assert tables.region(town, BEFORE_SPLIT).successors == (town,)
    assert tables.region(town, SPLIT).predecessors == (town,)


@pytest.mark.parametrize("code", ["500199", "510199"])
def test_test_regions_are_regions_of_no_prefecture(tables: Reference, code: str) -> None:
    assert tables.region(code, SPLIT).level == "test"
    assert tables.region(code, SPLIT).parent == code[:2] + "0000"


def test_a_card_issued_in_a_former_county_finds_its_region_as_issued(tables: Reference) -> None:
    assert tables.region("510122", date(2014, 5, 1)).name_zh == "双流县"
    assert tables.region("510122", date(2014, 5, 1)).successors == ("510116",)
    assert tables.region("510122", SPLIT) is None


def test_one_code_under_two_names_tells_the_name_of_the_day(tables: Reference) -> None:
    assert tables.region("500110", date(2011, 9, 30)).name_zh == "万盛区"
    assert tables.region("500110", date(2011, 10, 1)).name_zh == "綦江区"


@pytest.mark.parametrize(("on", "epoch_day"), [(date(2011, 10, 1), 15248), (BEFORE_SPLIT, 20397), (SPLIT, 20398)])
def test_the_fast_question_agrees_with_the_full_one(tables: Reference, on: date, epoch_day: int) -> None:
    full = {code for code in tables.regions if tables.region(code, on)}
    assert {code for code in tables.regions if tables.is_region(code, epoch_day)} == full


def test_an_unknown_code_is_no_region(tables: Reference) -> None:
    assert tables.region("510211", SPLIT) is None
    assert not tables.is_region("510211", 20000)
    assert not tables.is_region("", 20000)


@pytest.mark.parametrize(
    ("unionpay_code", "region"),
    [
        ("6500", "510000"),
        ("6510", "510100"),
        ("6530", "500000"),
        ("6636", "512000"),
        ("6670", "500101"),
        ("6690", "500102"),
        ("6870", "500114"),
        ("6840", "513401"),
        ("9999", None),
    ],
)
def test_unionpay_areas_need_a_table_to_tell_the_province(tables: Reference, unionpay_code: str, region: str | None) -> None:
    assert tables.unionpay_region(unionpay_code) == region


def test_the_scenario_catalogue_has_its_28_codes(tables: Reference) -> None:
    assert len(tables.scenario_codes) == 28
    assert tables.scenario("CUL.LIB.BRW", date(2021, 6, 1)).name_zh == "图书借阅"
    assert tables.scenario("CUL.LIB.BRW", date(2020, 11, 30)) is None
    assert tables.scenario("CUL.LIB", date(2021, 6, 1)) is None


@pytest.mark.parametrize(
    ("code", "rule", "outcome"),
    [
        ("OK", "", "ACCEPT"),
        ("CARD_UNKNOWN", "A01", "REFER_ISSUER"),
        ("CARD_NOT_ISSUED", "A02", "DENY"),
        ("CARD_SEALED", "A02", "DENY"),
        ("LOST_TEMP", "A02", "DENY"),
        ("LOST_FORMAL", "A02", "DENY"),
        ("LOCKED", "A02", "DENY"),
        ("CANCELLED", "A02", "DENY"),
        ("PROVISIONAL_BLOCK", "A03", "DENY"),
        ("NO_AGREEMENT", "A04", "DENY"),
        ("AGREEMENT_EXPIRED", "A04", "DENY"),
        ("MEDIUM_NOT_COVERED", "A04", "DENY"),
        ("TEMP_CARD_LOCAL_ONLY", "A05", "DENY"),
    ],
)
def test_reasons_name_their_rule_and_outcome(tables: Reference, code: str, rule: str, outcome: str) -> None:
    assert (tables.reason(code).rule, tables.reason(code).outcome) == (rule, outcome)


def test_every_refusal_advises_the_holder_in_both_languages(tables: Reference) -> None:
    assert all(reason.advice_zh and reason.advice_en for reason in tables.reasons.values() if reason.outcome != "ACCEPT")


def test_policy_is_by_province_and_day(tables: Reference) -> None:
    assert tables.policy("tempLossDays", "51", SPLIT).number == 7
    assert tables.policy("formalLossReleasable", "51", SPLIT).flag is True
    assert tables.policy("tempCardCrossRegion", "50", SPLIT).flag is False
    assert tables.policy("elderTransitQuotaUnits", "50", date(2025, 8, 31)) is None
    assert tables.policy("elderTransitQuotaUnits", "50", date(2025, 9, 1)).number == 1200
    assert tables.policy("elderTransitAgeYears", "51", SPLIT) is None
    assert tables.policy("elderTransitAgeYears", "510107", SPLIT).number == 65
    assert tables.policy("elderTransitAgeYears", "511900", SPLIT) is None
    assert tables.policy("tempLossDays", "52", SPLIT) is None


def agreement(tables: Reference, agreement_id: str, on: date) -> reference.Agreement:
    (found,) = [
        row
        for row in tables.agreements
        if row.agreement_id == agreement_id and row.valid_from <= on and (row.valid_to is None or on < row.valid_to)
    ]
    return found


def test_in_2021_sichuan_libraries_take_only_the_e_cards_of_chongqing(tables: Reference) -> None:
    hosts = agreement(tables, "LIB-SC-HOSTS", date(2021, 6, 1))
    assert (hosts.issuer_provinces, hosts.serving_provinces) == ({"50"}, {"51"})
    assert hosts.scenarios == {"CUL.LIB.IN", "CUL.LIB.BRW", "CUL.LIB.RET"}
    assert hosts.media == {"ECARD_QR", "ECARD_SHOW", "ECARD_LOGIN"}


def test_in_2021_chongqing_library_takes_cards_and_e_cards_of_sichuan(tables: Reference) -> None:
    hosts = agreement(tables, "LIB-CQ-HOSTS", date(2021, 6, 1))
    assert (hosts.issuer_provinces, hosts.serving_provinces) == ({"51"}, {"50"})
    assert hosts.media == {"CONTACT", "CONTACTLESS", "ECARD_QR", "ECARD_SHOW", "ECARD_LOGIN"}


def test_from_2022_libraries_take_plastic_both_ways_and_identity_cards(tables: Reference) -> None:
    plastic_too = {"CONTACT", "CONTACTLESS", "ECARD_QR", "ECARD_SHOW", "ECARD_LOGIN", "ID_CARD"}
    assert agreement(tables, "LIB-SC-HOSTS", date(2022, 4, 23)).media == plastic_too
    assert agreement(tables, "LIB-CQ-HOSTS", date(2022, 4, 23)).media == plastic_too


def test_library_regions_grow_to_both_provinces(tables: Reference) -> None:
    assert agreement(tables, "LIB-SC-HOSTS", date(2025, 1, 13)).serving_regions == ("5101",)
    assert len(agreement(tables, "LIB-SC-HOSTS", date(2025, 1, 14)).serving_regions) == 15
    assert agreement(tables, "LIB-SC-HOSTS", date(2025, 12, 2)).serving_regions == ()
    assert len(agreement(tables, "LIB-CQ-HOSTS", date(2022, 4, 23)).serving_regions) == 9
    assert agreement(tables, "LIB-CQ-HOSTS", date(2025, 1, 14)).serving_regions == ()


@pytest.mark.parametrize(
    ("on", "version"),
    [
        (date(2022, 4, 22), 1),
        (date(2022, 4, 23), 2),
        (date(2025, 1, 13), 2),
        (date(2025, 1, 14), 3),
        (date(2025, 12, 1), 3),
        (date(2025, 12, 2), 4),
    ],
)
def test_each_library_version_ends_when_the_next_begins(tables: Reference, on: date, version: int) -> None:
    assert agreement(tables, "LIB-SC-HOSTS", on).version == version
    assert agreement(tables, "LIB-CQ-HOSTS", on).version == version


def test_from_2025_the_ordinances_cover_both_directions(tables: Reference) -> None:
    in_force = [row for row in tables.agreements if row.valid_from == date(2025, 1, 1)]
    assert all(row.issuer_provinces == row.serving_provinces == {"50", "51"} for row in in_force)
    assert frozenset().union(*(row.scenarios for row in in_force)) == {
        *("TRA.BUS", "TRA.MET", "CUL.MUS", "TOU.GATE", "FND.PAY", "GOV.ID", "GOV.CASE"),
        *("MED.OP", "MED.CHR", "MED.IP", "MED.RX", "MED.REG", "HR.EMP", "HR.PAY", "HR.CERT", "HR.SUB"),
        *("CARD.LOSS", "CARD.APPLY", "CARD.ACT", "CARD.REPL"),
    }


def test_cross_province_transit_is_contactless_without_concession(tables: Reference) -> None:
    transit = agreement(tables, "ORD-TRANSIT", date(2025, 1, 1))
    assert transit.media == {"CONTACTLESS"}
    assert transit.concession == "NONE"


def test_transit_code_interoperates_from_december_2020_with_chengdu(tables: Reference) -> None:
    assert agreement(tables, "QR-SC-HOSTS", date(2020, 12, 1)).serving_regions == ("5101",)
    assert agreement(tables, "QR-CQ-HOSTS", date(2020, 12, 1)).serving_regions == ()


def test_chongqing_elder_concession_is_local(tables: Reference) -> None:
    elder = agreement(tables, "ELDER-CQ-LOCAL", date(2025, 9, 1))
    assert elder.issuer_provinces == elder.serving_provinces == {"50"}


def test_identity_documents_have_the_codes_of_the_ministry(tables: Reference) -> None:
    assert sorted(tables.id_types) == [*(f"{number:02}" for number in range(1, 13)), "90", "99"]
    assert tables.id_type("07", SPLIT).name_zh == "外国人永久居留证"
    assert tables.id_type("13", SPLIT) is None


def test_identity_documents_are_those_of_the_vocabulary(tables: Reference) -> None:
    assert sorted(tables.id_types) == [f"{code:02}" for code in sorted(references_pb2.IdType.values()) if code]


def test_media_are_those_of_the_vocabulary_and_say_what_carries_them(tables: Reference) -> None:
    assert sorted(f"MEDIUM_{code}" for code in tables.media) == sorted(acceptance_pb2.Medium.keys()[1:])
    assert [code for code in tables.media if tables.medium(code, SPLIT).is_plastic] == ["CONTACT", "CONTACTLESS"]
    ecards = ["ECARD_QR", "ECARD_SHOW", "ECARD_LOGIN", "YUKUAI_CODE", "TALENT_CODE"]
    assert [code for code in tables.media if tables.medium(code, SPLIT).is_ecard] == ecards


def test_chongqing_has_sixteen_partner_banks(tables: Reference) -> None:
    assert len(tables.banks) == 16
    assert tables.bank("CITIC", SPLIT).family_code == "302"
    assert tables.bank("CITIC", date(2021, 12, 31)) is None
    assert {bank.code for (bank,) in tables.banks.values() if bank.family_code == "313"} == {"BCQ", "CTGB"}


@pytest.mark.parametrize(
    ("code", "province", "value"), [("SCENARIOS_REFORM", "50", 266), ("SCENARIOS_NATIONAL", "", 160), ("ITEMS_BY_ONE_CARD", "50", 185)]
)
def test_published_figures_stand_beside_the_catalogue(tables: Reference, code: str, province: str, value: int) -> None:
    target = tables.target(code, SPLIT)
    assert (target.province, target.value) == (province, value)
    assert target.source.startswith("[S")


def test_the_tables_are_loaded_once(tables: Reference) -> None:
    assert load() is tables


REGIONS = """# made for a test
code,name_zh,name_en,level,parent,valid_from,valid_to,predecessors,successors
500000,重庆市,Chongqing,province,,1997-06-18,,,
510000,四川省,Sichuan,province,,1983-01-01,,,
500110,万盛区,,county,500000,1997-06-18,2011-10-01,,500110
500110,綦江区,,county,500000,2011-10-01,,500110,
"""
AREAS = "unionpay_code,region,valid_from,valid_to\n6530,500000,1997-06-18,\n"
SCENARIOS = "code,group,name_zh,name_en,valid_from,valid_to\nTRA.BUS,TRA,公交乘车,Bus ride,2020-12-01,\n"
REASONS = "code,rule,outcome,text_zh,text_en,advice_zh,advice_en\nLOCKED,A02,DENY,锁定,Locked,解锁,Unlock\n"
POLICY = "parameter,province,regions,value,valid_from,valid_to,evidence\ntempLossDays,51,,7,2020-12-01,,[S22]\n"
ID_TYPES = "code,name_zh,name_en,valid_from,valid_to\n90,社会保障卡,Card,2020-12-01,2021-01-01\n90,社保卡,Card,2021-01-01,\n"
MEDIA = "code,carrier,name_zh,name_en,valid_from,valid_to\nFACE,NONE,人脸,Face,2020-12-01,2021-01-01\nFACE,NONE,刷脸,Face,2021-01-01,\n"
BANKS = """code,family_code,name_zh,name_en,province,valid_from,valid_to
CEB,303,光大银行,Everbright,50,2022-01-01,2023-01-01
CEB,303,中国光大银行,Everbright,50,2023-01-01,
"""
TARGETS = """code,province,value,name_zh,name_en,valid_from,valid_to,source
SCENARIOS,50,250,场景,Scenarios,2024-01-01,2025-01-01,[S0]
SCENARIOS,50,266,场景,Scenarios,2025-01-01,,[S0]
"""
AGREEMENTS = """agreement_id,scenarios,issuer_provinces,serving_provinces,serving_regions,venues,media,concession,\
settlement,legal_basis,valid_from,valid_to,source
BUS,TRA.*,50,51,,,CONTACTLESS,NONE,NONE,条例,2025-01-01,2026-01-01,[S10]
BUS,TRA.BUS,50,51,51,,,NONE,NONE,条例,2026-01-01,,[S10]
"""
MATERIALS = "code,name_zh,name_en,valid_from,valid_to\nPHOTO,照片,Photo,2020-11-03,2021-01-01\nPHOTO,证件照片,Photo,2021-01-01,\n"
SERVICE_ITEMS = """item_id,name_zh,name_en,pinyin,department,base_code,life_events,successors,valid_from,valid_to,source
TB001,社会保障卡申领,Card,she hui bao zhang ka,人社,B1,,,2020-11-03,2025-01-01,[S34]
TB001,社会保障卡申领,Card,she hui bao zhang ka,人社与银行,B1,,TB002,2025-01-01,,[S34]
TB002,社会保障卡启用,Activation,she hui bao zhang ka,人社,B2,,,2020-11-03,,[S34]
"""
SERVICE_ITEM_VERSIONS = """item_id,province,implementing_code,regions,mode,mode_basis,channels,auth_level,promised_working_days,\
legal_working_days,fee_fen,min_age_years,max_age_years,materials,state,basis,since,valid_from,valid_to,source
TB001,50,I50,,JOINT,ASSUMED,ONLINE;WINDOW,PIN,5,20,0,,,PHOTO:E_LICENCE,LIVE,PUBLISHED,FROM,2021-01-01,2022-01-01,[S34]
TB001,50,I50,,FULL_ONLINE,ASSUMED,,,,,,,,UNKNOWN,LIVE,PUBLISHED,FROM,2022-01-01,,[S34]
TB001,51,I51,51,,ASSUMED,,,,,,,,,LIVE,NATIONAL_LIST,KNOWN_BY,2021-06-01,,[S34]
"""
SERVICE_ITEM_TOTALS = (
    "measure,batch,value,basis,published_on,source\nITEMS,,95,PUBLISHED,2020-11-03,[S48]\nITEMS,,210,ARITHMETIC,2021-03-08,[S34]\n"
)
SERVICE_ITEM_PACKAGES = """package_id,name_zh,name_en,provinces,items,valid_from,valid_to,source
NEWBORN,新生儿,Newborn,50,TB001,2023-01-01,2024-01-01,[S0]
NEWBORN,新生儿服务,Newborn,50,TB001,2024-01-01,,[S0]
"""
SERVICE_ITEM_WORDS = "word,synonyms,initials\n社会保障卡,社保卡,sbk\n住房公积金,公积金,gjj\n"
WORKING_DAYS = "day,is_working,name_zh,name_en\n2026-01-01,NO,元旦,New Year\n2026-01-04,YES,元旦调休,New Year\n"
SCHEMES = """scheme,name_zh,name_en,scenarios,route,payer,cut,valid_from,valid_to,source
BUS,公交,Buses,TRA.BUS,BILATERAL,ISSUER,06:00,2020-12-01,2021-01-01,[D]
BUS,公交,Buses,TRA.*,BILATERAL,ISSUER,06:00,2021-01-01,,[D]
RIDES,乘车,Rides,TRA.*,NATIONAL,SERVING,06:00,2020-11-01,2020-12-01,[D]
"""
RETURN_REASONS = "code,name,iso,detail,text_zh,text_en,source\n" + "".join(
    f"{number:02},{name.removeprefix('FUND_RETURN_REASON_')},AC06,{number},原因,A reason,[D]\n"
    for name, number in fund.FundReturnReason.items()
    if number
)
SMALL_TABLES = {
    "regions.csv": REGIONS,
    "unionpay_areas.csv": AREAS,
    "scenarios.csv": SCENARIOS,
    "reasons.csv": REASONS,
    "policy.csv": POLICY,
    "agreements.csv": AGREEMENTS,
    "id_types.csv": ID_TYPES,
    "media.csv": MEDIA,
    "banks.csv": BANKS,
    "targets.csv": TARGETS,
    "materials.csv": MATERIALS,
    "service_items.csv": SERVICE_ITEMS,
    "service_item_versions.csv": SERVICE_ITEM_VERSIONS,
    "service_item_totals.csv": SERVICE_ITEM_TOTALS,
    "service_item_packages.csv": SERVICE_ITEM_PACKAGES,
    "service_item_words.csv": SERVICE_ITEM_WORDS,
    "fund_return_reasons.csv": RETURN_REASONS,
    "settlement_schemes.csv": SCHEMES,
    "working_days.csv": WORKING_DAYS,
}


def write(directory: Path, changed: dict[str, str] | None = None) -> Path:
    for name, content in (SMALL_TABLES | (changed or {})).items():
        (directory / name).write_text(content, encoding="utf-8")
    return directory


def test_small_tables_load_from_a_directory(tmp_path: Path) -> None:
    small = load(write(tmp_path))
    assert small.region("500110", date(2011, 9, 30)).name_zh == "万盛区"
    assert [row.version for row in small.agreements] == [1, 2]
    assert small.agreements[0].scenarios == {"TRA.BUS"}


@pytest.mark.parametrize("table", sorted(SMALL_TABLES))
def test_the_digest_changes_with_any_byte_of_any_table(tmp_path: Path, table: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = load(write(tmp_path / "one"))
    other = load(write(tmp_path / "other", {table: f"# another\n{SMALL_TABLES[table]}"}))
    assert len(one.digest) == 64
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("table", "old", "new", "refusal"),
    [
        ("regions.csv", "2011-10-01,,500110,", "2011-09-30,,500110,", "line 6, valid_from: OVERLAP"),
        ("regions.csv", "2011-10-01,,500110,", "2011-10-02,,500110,", "line 6, valid_from: GAP"),
        ("regions.csv", "2011-10-01,,500110\n", ",,500110\n", "line 6, valid_from: OVERLAP"),
        ("regions.csv", "1997-06-18,2011-10-01", "2011-10-01,2011-10-01", "line 5, valid_to: NOT_AFTER_VALID_FROM"),
        ("regions.csv", "county,500000,1997", "county,500100,1997", "line 5, parent: UNKNOWN"),
        ("regions.csv", "county,500000,1997", "county,,1997", "line 5, parent: UNKNOWN"),
        ("regions.csv", "county,500000,1997-06-18", "county,500000,1996-06-18", "line 5, parent: NOT_IN_FORCE"),
        ("regions.csv", ",,500110\n", ",,500119\n", "line 5, successors: UNKNOWN"),
        ("regions.csv", "500110,綦江区", "50011,綦江区", "line 6, code: SHAPE"),
        ("regions.csv", "county", "street", "line 5, level: UNKNOWN"),
        ("regions.csv", "1983-01-01", "1983-02-30", "line 4, valid_from: NO_SUCH_DAY"),
        ("regions.csv", "1983-01-01", "19830101", "line 4, valid_from: SHAPE"),
        ("regions.csv", "code,name_zh", "code,name", "line 2, header: COLUMNS"),
        ("regions.csv", "四川省,Sichuan", "四川省", "line 4, row: CELLS"),
        ("unionpay_areas.csv", "500000", "500100", "line 2, region: UNKNOWN"),
        ("scenarios.csv", "TRA.BUS,TRA", "TRA.BUS,CUL", "line 2, code: SHAPE"),
        ("reasons.csv", "DENY", "NO", "line 2, outcome: UNKNOWN"),
        ("reasons.csv", "解锁,Unlock\n", "解锁,Unlock\nLOCKED,A02,DENY,锁,L,,\n", "line 3, code: DUPLICATE"),
        ("policy.csv", ",51,,7", ",52,,7", "line 2, province: UNKNOWN"),
        ("policy.csv", ",51,,7", ",51,5001,7", "line 2, regions: UNKNOWN"),
        ("policy.csv", ",51,,7", ",51,5199,7", "line 2, regions: UNKNOWN"),
        ("policy.csv", "[S22]", "", "line 2, evidence: EMPTY"),
        ("agreements.csv", "TRA.BUS", "TRA.MET", "line 3, scenarios: UNKNOWN"),
        ("agreements.csv", "TRA.*", "CUL.*", "line 2, scenarios: UNKNOWN"),
        ("agreements.csv", "TRA.*", "TRA.*;", "line 2, scenarios: EMPTY_ITEM"),
        ("agreements.csv", "50,51,51,", "52,51,51,", "line 3, issuer_provinces: UNKNOWN"),
        ("agreements.csv", "50,51,51,", "50,,51,", "line 3, serving_provinces: EMPTY"),
        ("agreements.csv", "50,51,51,", "50,51,5001,", "line 3, serving_regions: UNKNOWN"),
        ("agreements.csv", "CONTACTLESS", "RADIO", "line 2, media: UNKNOWN"),
        ("agreements.csv", "2026-01-01,,", "2025-12-31,,", "line 3, valid_from: OVERLAP"),
        ("agreements.csv", "2026-01-01,,", "2026-01-02,,", "line 3, valid_from: GAP"),
        ("unionpay_areas.csv", "1997-06-18,\n", "1997-06-18,\n6530,510000,2020-01-01,\n", "line 3, valid_from: OVERLAP"),
        ("unionpay_areas.csv", "18,\n", "18,2019-01-01\n6530,510000,2020-01-01,\n", "line 3, valid_from: GAP"),
        ("scenarios.csv", "-01,\n", "-01,\nTRA.BUS,TRA,公交,Bus,2021-01-01,\n", "line 3, valid_from: OVERLAP"),
        ("scenarios.csv", "-01,\n", "-01,2021-01-01\nTRA.BUS,TRA,公交,Bus,2021-01-02,\n", "line 3, valid_from: GAP"),
        ("policy.csv", "[S22]\n", "[S22]\ntempLossDays,51,,5,2021-01-01,,[S31]\n", "line 3, valid_from: OVERLAP"),
        ("policy.csv", ",,[S22]\n", ",2021-01-01,[S22]\ntempLossDays,51,,5,2021-01-02,,[S31]\n", "line 3, valid_from: GAP"),
        ("id_types.csv", "2021-01-01,\n", "2020-12-31,\n", "line 3, valid_from: OVERLAP"),
        ("id_types.csv", "2021-01-01,\n", "2021-01-02,\n", "line 3, valid_from: GAP"),
        ("id_types.csv", "90,社保卡", "9,社保卡", "line 3, code: SHAPE"),
        ("media.csv", "2021-01-01,\n", "2020-12-31,\n", "line 3, valid_from: OVERLAP"),
        ("media.csv", "2021-01-01,\n", "2021-01-02,\n", "line 3, valid_from: GAP"),
        ("media.csv", "FACE,NONE", "RADIO,NONE", "line 2, code: UNKNOWN"),
        ("media.csv", "FACE,NONE", "FACE,PAPER", "line 2, carrier: UNKNOWN"),
        ("banks.csv", "2023-01-01,\n", "2022-12-31,\n", "line 3, valid_from: OVERLAP"),
        ("banks.csv", "2023-01-01,\n", "2023-01-02,\n", "line 3, valid_from: GAP"),
        ("banks.csv", "CEB,303", "CEB,3030", "line 2, family_code: SHAPE"),
        ("banks.csv", "Everbright,50", "Everbright,52", "line 2, province: UNKNOWN"),
        ("targets.csv", "2025-01-01,,", "2024-12-31,,", "line 3, valid_from: OVERLAP"),
        ("targets.csv", "2025-01-01,,", "2025-01-02,,", "line 3, valid_from: GAP"),
        ("targets.csv", "50,266", "50,many", "line 3, value: SHAPE"),
        ("targets.csv", "50,266", "52,266", "line 3, province: UNKNOWN"),
        ("targets.csv", ",,[S0]", ",,", "line 3, source: EMPTY"),
        ("materials.csv", "2021-01-01,\n", "2020-12-31,\n", "line 3, valid_from: OVERLAP"),
        ("materials.csv", "2021-01-01,\n", "2021-01-02,\n", "line 3, valid_from: GAP"),
        ("materials.csv", "PHOTO,照片", "photo,照片", "line 2, code: SHAPE"),
        ("service_items.csv", "2025-01-01,,", "2024-12-31,,", "line 3, valid_from: OVERLAP"),
        ("service_items.csv", "2025-01-01,,", "2025-01-02,,", "line 3, valid_from: GAP"),
        ("service_items.csv", "TB002,2025", "TB003,2025", "line 3, successors: UNKNOWN"),
        ("service_items.csv", ",B2,", ",B1,", "line 4, base_code: DUPLICATE"),
        ("service_items.csv", "she hui bao", "Shè hui bao", "line 2, pinyin: SHAPE"),
        ("service_items.csv", "TB002,社", "TB2,社", "line 4, item_id: SHAPE"),
        ("service_items.csv", "2020-11-03,,[S34]", "2020-11-03,,", "line 4, source: EMPTY"),
        ("service_item_versions.csv", "2022-01-01,,", "2021-12-31,,", "line 3, valid_from: OVERLAP"),
        ("service_item_versions.csv", "2022-01-01,,", "2022-01-02,,", "line 3, valid_from: GAP"),
        ("service_item_versions.csv", "TB001,51,I51", "TB001,51,I50", "line 4, implementing_code: DUPLICATE"),
        ("service_item_versions.csv", "TB001,51", "TB009,51", "line 4, item_id: UNKNOWN"),
        ("service_item_versions.csv", "TB001,51", "TB001,52", "line 4, province: UNKNOWN"),
        ("service_item_versions.csv", "I51,51,", "I51,5001,", "line 4, regions: UNKNOWN"),
        ("service_item_versions.csv", "2021-01-01,2022", "2020-01-01,2022", "line 2, valid_from: NOT_IN_FORCE"),
        ("service_item_versions.csv", "JOINT", "LATER", "line 2, mode: UNKNOWN"),
        ("service_item_versions.csv", "WINDOW", "POST", "line 2, channels: UNKNOWN"),
        ("service_item_versions.csv", "PIN", "HIGH", "line 2, auth_level: UNKNOWN"),
        ("service_item_versions.csv", ",5,20", ",five,20", "line 2, promised_working_days: SHAPE"),
        ("service_item_versions.csv", "PHOTO:E_LICENCE", "FORM", "line 2, materials: UNKNOWN"),
        ("service_item_versions.csv", "PHOTO:E_LICENCE", "PHOTO:TRUST", "line 2, materials: UNKNOWN"),
        ("service_item_versions.csv", "LIVE,PUBLISHED", "ON,PUBLISHED", "line 2, state: UNKNOWN"),
        ("service_item_versions.csv", "KNOWN_BY", "SINCE", "line 4, since: UNKNOWN"),
        ("service_item_totals.csv", "2021-03-08", "2020-11-03", "line 3, published_on: DUPLICATE"),
        ("service_item_totals.csv", "95", "many", "line 2, value: SHAPE"),
        ("service_item_totals.csv", "PUBLISHED", "ASSUMED", "line 2, basis: UNKNOWN"),
        ("service_item_totals.csv", "[S34]", "", "line 3, source: EMPTY"),
        ("service_item_packages.csv", "2024-01-01,,", "2023-12-31,,", "line 3, valid_from: OVERLAP"),
        ("service_item_packages.csv", "TB001,2024", "TB009,2024", "line 3, items: UNKNOWN"),
        ("service_item_packages.csv", "50,TB001,2023", "52,TB001,2023", "line 2, provinces: UNKNOWN"),
        ("service_item_words.csv", "公积金,gjj", "社保卡,gjj", "line 3, synonyms: DUPLICATE"),
        ("settlement_schemes.csv", "BUS,公交,Buses,TRA.BUS", "bus,公交,Buses,TRA.BUS", "line 2, scheme: SHAPE"),
        ("settlement_schemes.csv", "TRA.BUS,BIL", "TRA.NO,BIL", "line 2, scenarios: UNKNOWN"),
        ("settlement_schemes.csv", "NATIONAL", "NOWHERE", "line 4, route: UNKNOWN"),
        ("settlement_schemes.csv", "SERVING", "NOBODY", "line 4, payer: UNKNOWN"),
        ("settlement_schemes.csv", "06:00", "24:00", "line 2, cut: SHAPE"),
        ("settlement_schemes.csv", "2020-11-01,2020-12-01", "2020-11-01,2020-12-02", "line 4, scenarios: DUPLICATE"),
        ("settlement_schemes.csv", "[D]", "", "line 2, source: EMPTY"),
        ("fund_return_reasons.csv", "05,CLOSED", "05,SHUT", "line 6, name: UNKNOWN"),
        ("fund_return_reasons.csv", "AC06,5,", "AC06,4,", "line 6, code: DUPLICATE"),
        ("fund_return_reasons.csv", "AC06,5,", "ACX6,5,", "line 6, iso: SHAPE"),
        ("fund_return_reasons.csv", "05,CLOSED,AC06,5,原因,A reason,[D]\n", "", "line 0, name: MISSING CLOSED"),
        ("working_days.csv", "2026-01-04", "2026-01-01", "line 3, day: DUPLICATE"),
        ("working_days.csv", "2026-01-01,NO", "2026-01-03,NO", "line 2, is_working: AS_ITS_WEEKDAY"),
        ("working_days.csv", "YES", "MAYBE", "line 3, is_working: UNKNOWN"),
        ("working_days.csv", ",元旦,", ",,", "line 2, name_zh: EMPTY"),
        ("service_item_words.csv", "gjj", "sbk", "line 3, initials: DUPLICATE"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, table: str, old: str, new: str, refusal: str) -> None:
    assert old in SMALL_TABLES[table]
    write(tmp_path, {table: SMALL_TABLES[table].replace(old, new, 1)})
    with pytest.raises(InvalidReferenceTable) as refused:
        load(tmp_path)
    assert str(refused.value) == f"{table} {refusal}"


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "policy.csv").unlink()
    with pytest.raises(InvalidReferenceTable, match=r"policy.csv line 0, file: MISSING"):
        load(tmp_path)


def test_a_table_in_gb18030_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "regions.csv").write_bytes(REGIONS.encode("gb18030"))
    with pytest.raises(InvalidReferenceTable, match=r"regions.csv line 0, file: NOT_UTF_8"):
        load(tmp_path)


def test_shipped_tables_say_their_source_first() -> None:
    shipped = sorted(Path(reference.__file__).parent.glob("*.csv"))
    assert [path.name for path in shipped] == sorted(reference._TABLES)
    assert all(path.read_text(encoding="utf-8").startswith(f"# {path.name}: ") for path in shipped)
