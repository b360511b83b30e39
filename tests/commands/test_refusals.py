"""Every refusal that a command prints is Chinese with English beside, and says what would be right."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from chuanyu.exchange.v1 import event_pb2
from typer.testing import CliRunner

import adapters
import hub
from adapters.kit import AdapterError, DataDirectoryInUse
from adapters.kit.chinese import CHINESE as ADAPTERS_CHINESE
from adapters.kit.chinese import in_words as adapter_in_words
from hub.api.edge.statuses import to_status
from hub.cli import app
from hub.commands.failures import lines_of
from hub.commands.refusals import in_words
from hub.domain.agreed_forms import PATTERNS, patterns
from hub.domain.errors import AgreementUnknown, HubError, RequestInvalid
from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.quarantine import MEANINGS, meaning_of
from hub.words.refusals import CHINESE
from tests.hub_process import RunningHub

_CHINESE = re.compile("[\u4e00-\u9fff]")


def errors_below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for below in kind.__subclasses__():
        yield below
        yield from errors_below(below)


def test_every_error_of_the_hub_has_chinese_beside_its_english() -> None:
    for module in pkgutil.walk_packages(hub.__path__, "hub."):
        importlib.import_module(module.name)
    kinds = {kind for kind in errors_below(HubError) if kind.__module__.startswith("hub.")}
    in_english_alone = {kind.__name__ for kind in kinds if not _CHINESE.search((kind.__doc__ or "").splitlines()[0])}
    assert CHINESE.keys() == in_english_alone
    assert all(_CHINESE.search(text) for text in CHINESE.values())


def test_every_error_of_an_adapter_has_chinese_beside_its_english() -> None:
    for module in pkgutil.walk_packages(adapters.__path__, "adapters."):
        importlib.import_module(module.name)
    kinds = {kind for kind in errors_below(AdapterError) if kind.__module__.startswith("adapters.")}
    assert {kind.__name__ for kind in kinds if "。" not in (kind.__doc__ or "")} == ADAPTERS_CHINESE.keys()
    said = adapter_in_words(DataDirectoryInUse("data"))
    assert said.startswith("✗ 另一个适配器正在使用此数据目录：停止它，或用 --data-dir 另给目录。 Another adapter")


def test_a_refusal_is_chinese_with_english_beside() -> None:
    assert in_words(AgreementUnknown()) == (
        "没有这个编号的约定；见 `hub agreements list`。 There is no agreement under this code; see `hub agreements list`."
    )


def test_a_broken_field_is_named_with_the_form_it_should_have() -> None:
    assert in_words(RequestInvalid([("reason_code", "string.pattern")])) == (
        "reason_code: 不符合约定的格式：应为大写代码：A-Z 0-9 _，字母开头，至多 64 个字符，如 KEY_LOST。 "
        "It has not the agreed form: it should be a code in capitals: A-Z 0-9 _, a letter first, at most 64 characters, "
        "such as KEY_LOST. (string.pattern)"
    )


def test_every_pattern_of_the_protocol_has_its_words() -> None:
    assert patterns() == PATTERNS.keys()


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if pattern != "^[0-9a-f]{64}$"])
def test_the_example_of_a_pattern_has_it(pattern: str) -> None:
    for text, separator in zip(PATTERNS[pattern], ("如 ", "such as "), strict=True):
        example = text.rpartition(separator)[2].split(" ")[0].split("；")[0].rstrip(";")
        assert re.fullmatch(pattern.strip("^$"), example), (text, example)


@pytest.mark.parametrize(
    ("path", "rule", "english"),
    [
        ("service_region", "string.pattern", "It has not the agreed form: it should be a region's six digits, such as 510100."),
        ("card_cancelled.reason", "enum.not_in", "It is unspecified: it should be one of "),
        ("card.issuing_province", "string.in", "It is none of the agreed values: it should be one of 50 51."),
        ("source.message_id", "string.max_len", "It is too long: it should be at most 64 characters."),
        ("request_id", "string.max_len", "It is too long: it should be at most 64 characters."),
        ("card.clear", "check_digit", "Its check digit is wrong: by GB 11643 of an ID number, by Luhn of an account."),
        ("nobody.knows", "string.pattern", "It has not the agreed form."),
    ],
)
def test_a_rule_says_what_the_field_should_be(path: str, rule: str, english: str) -> None:
    assert meaning_of(rule, path).text_en.startswith(english)


def test_the_answer_to_a_participant_says_what_the_field_should_be() -> None:
    status = to_status(RequestInvalid([("purpose_code", "string.pattern")]))
    assert b"such as HOLDER_REQUEST" in status.details[1].value


def test_what_is_said_of_a_field_has_room_in_an_answer() -> None:
    rules = [rule for rule in MEANINGS if "." in rule]
    kinds = [event_pb2.Event.DESCRIPTOR.fields_by_name[kind] for kind in KIND_NUMBERS]
    paths = [f"{kind.name}.{field.name}" for kind in kinds for field in kind.message_type.fields]
    assert max(len(text) for path in paths for rule in rules for text in meaning_of(rule, path)) <= 256
    assert max(len(text) for meaning in MEANINGS.values() for text in meaning) <= 256


def test_a_call_that_is_refused_reads_in_chinese_with_english_beside(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.delenv("HUB_LISTEN", raising=False)
    unknown = CliRunner().invoke(app, ["explain", "--decision", "999999999"])
    assert (
        unknown.exit_code,
        "✗ NOT_FOUND: 该位置没有答复" in unknown.stderr,
        "There is no decision at this position" in unknown.stderr,
    ) == (1, True, True)
    broken = CliRunner().invoke(app, ["check", "A00000001", "--issuer", "50", "--region", "chengdu"])
    assert "✗ INVALID_ARGUMENT: service_region: 不符合约定的格式：应为六位区划代码，如 510100。" in broken.stderr
    away = CliRunner().invoke(app, ["check", "A00000001", "--issuer", "50", "--target", "127.0.0.1:9"])
    assert "✗ UNAVAILABLE: 枢纽不可达或暂不能答复 " in away.stderr


def test_an_argument_that_is_not_utf_8_is_said_in_words() -> None:
    found = CliRunner().invoke(app, ["coupons", "show", "\udcff", "--issuer", "50"])
    assert isinstance(found.exception, UnicodeEncodeError)
    assert lines_of(found.exception) == ["参数不是 UTF-8 an argument is not UTF-8"]
    assert CliRunner().invoke(app, ["coupons", "show", "X", "--issuer", "50", "--at-position", str(2**63)]).exit_code == 2
