"""The outcome of an audit goes through JSON and back, in one form; what is foreign, broken or too large is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.audit.outcome import (
    MOST_ROWS,
    NOT_SHOWN,
    Bars,
    Line,
    Moment,
    Outcome,
    OutcomeForeign,
    OutcomeMalformed,
    OutcomeTooLarge,
    Table,
    Text,
    as_json,
    read,
)

WORD = Text("三月的答复", "answers of March")
OUTCOME = Outcome(
    question=Text("三月的答复有多少会改变？", "How many answers of March would change?"),
    answer=Text("共 3 次答复会改变。", "Three answers would change."),
    holds=None,
    recorded_as_of=1_200,
    facts={"changed": 3, "control_empty": True, "samples": [{"position": 7, "before": "ACCEPT"}], "none": None},
    timeline=(Moment(1_772_503_500_000_000, 1_772_500_000_000_000, 7, Text("受理了挂失", "a loss was recorded")),),
    tables=(Table(WORD, (Text("省", "province"), Text("次数", "answers")), ((Text("四川", "Sichuan"), 3), ("510100", NOT_SHOWN))),),
    figures=(Bars(WORD, ((Text("四川", "Sichuan"), 3), (Text("重庆", "Chongqing"), None))),),
    verified=(Text("两名见证方联署", "two witnesses cosigned"),),
    limits=(Text("不含未报送的事件", "events that were never reported are not in it"),),
    recorded_us=1_772_503_500_000_000,
)


def altered(**fields: Any) -> bytes:
    """The bytes of the outcome with other fields, in the one form."""
    said = {**json.loads(as_json(OUTCOME)), **fields}
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_an_outcome_goes_through_json_and_back() -> None:
    assert read(as_json(OUTCOME)) == OUTCOME
    assert as_json(read(as_json(OUTCOME))) == as_json(OUTCOME)
    assert json.loads(as_json(OUTCOME))["format"] == "chuanyu-outcome/1"


def test_an_outcome_that_says_what_was_asked_is_of_the_second_form() -> None:
    about = OUTCOME._replace(about=(Line(WORD, WORD),))
    assert json.loads(as_json(about))["format"] == "chuanyu-outcome/2"
    assert read(as_json(about)) == about


@pytest.mark.parametrize("fields", [{"format": "chuanyu-outcome/2"}, {"about": []}, {"format": "chuanyu-outcome/2", "about": []}])
def test_each_form_is_read_as_it_is_written_alone(fields: dict[str, Any]) -> None:
    with pytest.raises(OutcomeMalformed):
        read(altered(**fields))


def test_the_order_of_facts_does_not_change_the_bytes() -> None:
    assert as_json(OUTCOME._replace(facts=dict(reversed(OUTCOME.facts.items())))) == as_json(OUTCOME)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"[]", b"{}", altered(format="chuanyu-outcome/4"), b"\xff", b"[" * 100_000])
def test_a_foreign_file_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(OutcomeForeign):
        read(data)


BROKEN = {
    "a field too many": altered(more=1),
    "no holds": altered(holds="yes"),
    "a fraction": altered(facts={"share": 0.5}),
    "true is no number": altered(recorded_as_of=True),
    "below zero": altered(recorded_as_of=-1),
    "an empty answer": altered(answer={"zh": " ", "en": "x"}),
    "one language": altered(answer={"zh": "是"}),
    "text turned round": altered(answer={"zh": "是\u202e", "en": "yes"}),
    "two lines": altered(answer={"zh": "是\n否", "en": "yes"}),
    "a year too far": altered(timeline=[{"recorded_us": 1 << 62, "valid_us": 0, "position": 1, "said": {"zh": "一", "en": "one"}}]),
    "a row too short": altered(tables=[{"title": WORD._asdict(), "columns": [WORD._asdict()] * 2, "rows": [["x"]]}]),
    "no column": altered(tables=[{"title": WORD._asdict(), "columns": [], "rows": []}]),
    "a cell that is a list": altered(tables=[{"title": WORD._asdict(), "columns": [WORD._asdict()], "rows": [[[1]]]}]),
    "a bar below zero": altered(figures=[{"title": WORD._asdict(), "bars": [[WORD._asdict(), -1]]}]),
    "spaces": as_json(OUTCOME).replace(b'":', b'": ', 1),
    "no end of line": as_json(OUTCOME).rstrip(b"\n"),
    "a field twice": as_json(OUTCOME).replace(b'{"answer"', b'{"answer":1,"answer"', 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_outcome_is_refused_by_name(name: str) -> None:
    with pytest.raises(OutcomeMalformed):
        read(BROKEN[name])


def test_what_is_too_large_is_refused_by_name() -> None:
    table = Table(WORD, (WORD,), (("x",),) * (MOST_ROWS + 1))
    deep: Any = 0
    for _ in range(20):
        deep = [deep]
    long = Text("长" * 2_001, "long")
    for outcome in (OUTCOME._replace(tables=(table,)), OUTCOME._replace(facts={"deep": deep}), OUTCOME._replace(answer=long)):
        with pytest.raises(OutcomeTooLarge):
            as_json(outcome)
    with pytest.raises(OutcomeTooLarge):
        read(b" " * (1 << 23) + b"{}")


@pytest.mark.parametrize("facts", [{"share": 0.5}, {"name": "\ud800"}, {"set": {1}}, {"bytes": b"x"}, {"huge": 1 << 64}])
def test_an_outcome_that_nobody_would_read_is_not_written(facts: dict[str, Any]) -> None:
    with pytest.raises(OutcomeMalformed):
        as_json(OUTCOME._replace(facts=facts))


def test_no_refusal_shows_what_a_fact_is_named() -> None:
    with pytest.raises(OutcomeMalformed) as refused:
        read(altered(facts={"8f3a": {"9b": 0.5}}))
    assert "8f3a" not in str(refused.value) and "9b" not in str(refused.value)


@given(st.binary(max_size=40), st.integers(0, 2_000))
def test_an_altered_byte_is_refused_or_read_as_another_outcome(other: bytes, at: int) -> None:
    data = as_json(OUTCOME)
    spoiled = data[: at % len(data)] + other + data[at % len(data) + len(other) :]
    try:
        assert (read(spoiled) == OUTCOME) == (spoiled == data)
    except (OutcomeForeign, OutcomeMalformed, OutcomeTooLarge):
        assert spoiled != data
