"""Finding service items by what people type."""

from datetime import date

import pytest

from hub.domain import reference
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.joint_services.search import normalised

TABLES = reference.load()
DAY = Catalogue(TABLES, None).on(date(2026, 3, 2))


def found(text: str) -> list[str]:
    return [DAY.entries[item_id].definition.name_zh for item_id in DAY.search.find(text)]


@pytest.mark.parametrize(
    "text",
    ["社会保障卡申领", "社保卡申领", "shbzksl", "SHBZKSL", "ｓｈｂｚｋｓｌ", "shehuibaozhangkashenling", "TB031", "ｔｂ０３１"],
)
def test_the_card_application_is_found_first_however_it_is_said(text: str) -> None:
    assert found(text)[0] == "社会保障卡申领"


@pytest.mark.parametrize("text", ["社保卡", "社会保障卡", "sbk", "shbzk", "社 保 卡", "「社保卡」"])
def test_both_words_for_the_card_find_the_same_items(text: str) -> None:
    assert {"社会保障卡申领", "社会保障卡启用", "社会保障卡补换", "社会保障卡临时挂失", "电子社会保障卡申领"} <= set(found(text))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("身份证", "居民身份证换领"),
        ("驾照", "机动车驾驶证审验"),
        ("外地看病", "异地就医登记备案"),
        ("e社保卡", "电子社会保障卡申领"),
        ("Ｅ社保卡", "电子社会保障卡申领"),
        ("结婚", "婚姻登记（预约/办理）"),
        ("港澳通行证", "往来港澳通行证签发"),
        ("lhjy", "灵活就业人员参保登记"),
        ("zhiyejieshao", "职业介绍"),
        ("passport", "普通护照签发"),
    ],
)
def test_what_people_say_finds_the_item(text: str, first: str) -> None:
    assert found(text)[0] == first


def test_the_name_itself_comes_before_its_beginning_and_that_before_a_part() -> None:
    assert found("学位公证") == ["学位公证"]
    assert found("残疾人证")[0].startswith("残疾人证")
    # It begins with other characters, and comes after those that begin with it.
    assert found("社会保障卡").index("社会保障卡启用") < found("社会保障卡").index("电子社会保障卡申领")


def test_words_in_another_order_and_of_the_department_are_found() -> None:
    assert found("公证 学历") == ["学历公证"]
    assert found("民政 补贴") == ["困难残疾人生活补贴申请", "重度残疾人护理补贴申请"]


def test_names_that_are_alike_are_found_where_nothing_else_is() -> None:
    assert "企业注销登记" in found("企业登记注销")


@pytest.mark.parametrize("text", ["", " ", "!?（）", "没有这样的东西", "zzzz", "卡" * 64])
def test_what_nothing_says_finds_nothing(text: str) -> None:
    assert found(text) == []


def test_pinyin_begins_where_a_syllable_does() -> None:
    # "huibao" is in "she hui bao" from its second syllable on, "uibao" in the middle of one.
    assert "社会保障卡申领" in found("huibao")
    assert found("uibao") == []


def test_pinyin_has_a_syllable_for_each_character() -> None:
    for rows in TABLES.service_items.items.values():
        for row in rows:
            characters = [one for one in row.definition.name_zh if "\u4e00" <= one <= "\u9fff"]
            assert len(row.definition.pinyin.split()) == len(characters), row.definition.name_zh


def test_full_width_and_punctuation_make_no_difference() -> None:
    assert normalised("５１１Ａ-0138（甲）") == "511a0138甲"
