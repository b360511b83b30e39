"""The names and values that a what-if takes: which codes name which versions, which values a parameter has, what a change says."""

from pathlib import Path

import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as questions

from hub.audit.replay.names import instead_of
from hub.audit.replay.parameters import ParameterUnknown, ParameterValueUnfit, PolicyForeign, set_parameter
from hub.audit.replay.terms import is_of
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
