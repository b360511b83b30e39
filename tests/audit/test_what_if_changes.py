"""The names and values that a what-if takes: which codes name which versions, which values a parameter has, what a change says."""

from pathlib import Path
from typing import Any

import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as questions

from hub.audit.outcome import Text
from hub.audit.replay.answering import Branch
from hub.audit.replay.change_words import GONE, Change, asked_in_words, change_lines, names_of, parameter_name
from hub.audit.replay.names import instead_of
from hub.audit.replay.parameters import ParameterUnknown, ParameterValueUnfit, PolicyForeign, set_parameter
from hub.audit.replay.terms import is_of
from hub.audit.requests.wording import in_words
from hub.domain import reference
from hub.words.parameters import PARAMETERS

POLICY = Path(reference.__file__).parent / "policy.csv"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    copy = tmp_path / "policy.csv"
    copy.write_bytes(POLICY.read_bytes())
    return copy


def change(name: str, value: str, province: str = "") -> questions.ParameterChange:
    return questions.ParameterChange(name=name, value=value, province=province)


@pytest.mark.parametrize("version", ["ORD-TRANSIT", "ORD-TRANSIT/1", "ORD-TRANSIT/12", "ORD-TRANSIT.2", "ORD-TRANSIT/1.2"])
def test_a_name_is_all_versions_of_an_agreement(version: str) -> None:
    assert is_of("ORD-TRANSIT", version)


@pytest.mark.parametrize("version", ["ORD-TRANSITS", "ORD-TRANSIT-2", "ORD-TRANSIT/x", "ORD-TRANSIT.", "ORD", "ORD-TRANSIT.2x"])
def test_a_name_is_not_what_only_begins_so(version: str) -> None:
    assert not is_of("ORD-TRANSIT", version)


def test_a_code_with_its_version_is_that_one_and_its_amendments() -> None:
    assert [is_of("LIB/1", version) for version in ("LIB/1", "LIB/1.2", "LIB/2", "LIB/12")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("name", "value", "province", "before"),
    [
        ("tempLossDays", "10", "", "7"),
        ("tempLossDays", "0", "50", "7"),
        ("formalLossReleasable", "false", "51", "true"),
        ("elderTransitQuotaUnits", "90", "", "50: 1200, 51: 100"),
        ("elderTransitQuotaPeriod", "YEAR", "51", "MONTH"),
        ("ecardWhileTempLost", "UNUSABLE", "", "REAUTHORISE"),
        ("businessDayCut", "03:30", "", "04:00"),
        ("leapDayBirthday", "02-28", "", "03-01"),
    ],
)
def test_a_parameter_has_its_value_and_says_what_it_was(name: str, value: str, province: str, before: str, policy: Path) -> None:
    said = set_parameter(policy, change(name, value, province))
    assert (said.before.zh, said.after.zh) == (before, value)
    assert name in said.what.zh and PARAMETERS[name][0] in said.what.zh
    lines = [line.split(",") for line in policy.read_text().splitlines() if line.startswith(f"{name},")]
    was = [line.split(",") for line in POLICY.read_text().splitlines() if line.startswith(f"{name},")]
    assert [line[3] for line in lines] == [value if province in ("", line[1]) else old[3] for line, old in zip(lines, was, strict=True)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tempLossDays", "soon"), ("tempLossDays", ""), ("tempLossDays", "-1"), ("tempLossDays", "7.5"), ("tempLossDays", "999999"),
        ("tempLossDays", "true"), ("cardValidityYears", "9000"), ("formalLossReleasable", "1"), ("formalLossReleasable", "TRUE"),
        ("businessDayCut", "25:00"), ("businessDayCut", "4"), ("leapDayBirthday", "13-01"), ("leapDayBirthday", "02:28"),
        ("elderTransitQuotaPeriod", "DAY"), ("ecardWhileTempLost", "UNUSABEL"), ("tempLossDays", "\u0663"),
    ],
)  # fmt: skip
def test_a_value_that_the_parameter_cannot_have_is_refused(name: str, value: str, policy: Path) -> None:
    with pytest.raises(ParameterValueUnfit, match=name):
        set_parameter(policy, change(name, value))
    assert policy.read_bytes() == POLICY.read_bytes()


@pytest.mark.parametrize(("name", "province"), [("tempLosDays", ""), ("", ""), ("tempLossDays", "52")])
def test_a_parameter_that_there_is_not_in_a_province_is_refused(name: str, province: str, policy: Path) -> None:
    with pytest.raises(ParameterUnknown):
        set_parameter(policy, change(name, "1", province))


def test_rules_without_a_table_of_parameters_have_none_to_change(tmp_path: Path) -> None:
    (tmp_path / "policy.csv").write_text("a,b\n1,2\n")
    for path in (tmp_path / "policy.csv", tmp_path / "absent.csv"):
        with pytest.raises(PolicyForeign):
            set_parameter(path, change("tempLossDays", "1"))


DAYS = Change(parameter_name("tempLossDays"), Text("7", "7"), Text("10", "10"))
GONE_ONE = Change(Text("约定 ORD-TRANSIT", "agreement ORD-TRANSIT"), Text("ORD-TRANSIT/1：公交", "ORD-TRANSIT/1: bus"), GONE)
MARCH = Text("2026-03-01 至 2026-04-01", "2026-03-01 to 2026-04-01")


@pytest.mark.parametrize(
    ("changes", "zh", "en"),
    [
        ([], "规则不变重新裁决", "by the same rules?"),
        ([[DAYS]], "若将临时挂失天数（tempLossDays）由 7 改为 10，", "with days of a temporary loss (tempLossDays) 10 and not 7?"),
        ([[GONE_ONE]], "若没有约定 ORD-TRANSIT，", "without agreement ORD-TRANSIT?"),
        ([[DAYS, GONE_ONE]], "若作下列改动，", "under the changes below?"),
        ([[DAYS], [GONE_ONE]], "若分别作下列 2 组改动，", "under each of the 2 changes below?"),
    ],
)
def test_the_question_of_a_what_if_is_said_in_words(changes: list[list[Change]], zh: str, en: str) -> None:
    said = asked_in_words(MARCH, [Branch(str(number), changes=tuple(some)) for number, some in enumerate(changes)])
    assert said.zh.startswith("2026-03-01 至 2026-04-01 的答复，") and said.en.startswith("Which answers of 2026-03-01 to 2026-04-01 ")
    assert zh in said.zh and said.en.endswith(en)


def test_a_report_lists_each_change_from_what_to_what_under_the_name_of_its_branch() -> None:
    branches = [Branch("ten", changes=(DAYS,)), Branch("", changes=(GONE_ONE,))]
    lines = change_lines(branches, names_of(branches))
    assert [(line.label.zh, line.said.zh) for line in lines] == [
        ("改动 1 ten", "临时挂失天数（tempLossDays）：原为 7；改为 10"),
        ("改动 2", "约定 ORD-TRANSIT：去掉（原为 ORD-TRANSIT/1：公交）"),
    ]
    alone = branches[:1]
    assert [line.label.en for line in change_lines(alone, names_of(alone))] == ["Change"]
    assert names_of(alone) == [Text("改动后", "the change")]


def test_all_parameters_have_words() -> None:
    names = {line.split(",")[0] for line in POLICY.read_text().splitlines() if line and not line.startswith("#")} - {"parameter"}
    assert names == set(PARAMETERS)


def test_a_name_that_is_not_there_is_refused_with_the_nearest_else_with_some() -> None:
    known = ["tempLossDays", "renewWindowDays", "onePerProvince"]
    assert instead_of("TEMPLOSSDAY", known).endswith("the nearest are: tempLossDays")
    assert instead_of("x", known).endswith("there are: onePerProvince, renewWindowDays, tempLossDays")
    # A card's number that was typed into the wrong field is not repeated.
    assert "500199" not in instead_of("500199198503211232", known)
    assert instead_of("x", []).endswith("there are: —")


@pytest.mark.parametrize(
    ("changed", "zh", "en"),
    [
        (
            {"parameter": change("tempLossDays", "0", "50")},
            "若重庆临时挂失天数（tempLossDays）改为 0，",
            "with Chongqing days of a temporary loss",
        ),
        (
            {"agreement": {"agreement_code": "ORD-TRANSIT"}, "branch": "gone"},
            "若没有约定 ORD-TRANSIT［gone］，",
            "without agreement ORD-TRANSIT [gone]:",
        ),
        ({"rules": {"digest": b"\1" * 32}}, "若改用规则版本 01010101，", "by version 01010101 of the rules:"),
        ({"reference": {"table": "media", "rows": b"x"}}, "若改用随附参照表 media，", "with the table media attached:"),
    ],
)
def test_a_request_says_in_words_what_is_to_be_changed(changed: dict[str, Any], zh: str, en: str) -> None:
    place = questions.RecordedAsOf(position=1)
    window = {"from": place, "to": place}
    said = in_words(questions.AuditQuestion(what_if=questions.WhatIfQuestion(**window, changes=[questions.WhatIfChange(**changed)])))
    assert zh in said.zh and en in said.en
