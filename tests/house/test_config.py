"""The settings: what each reads from the environment, and what it says of a value that is none."""

import pytest

from hub.config import Config, SettingsInvalid

NO_NUMBER = "Input should be a valid number, unable to parse string as a number"
NO_WHOLE_NUMBER = "Input should be a valid integer, unable to parse string as an integer"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("HUB_QUOTA_CALLS_PER_S", " 7 ", "quota_calls_per_s", 7),
        ("hub_trace_share", "1", "trace_share", 1.0),
        ("HUB_CLOSE_REFUSED_AFTER_S", "0", "close_refused_after_s", 0.0),
        ("HUB_TELEMETRY", "No", "telemetry", False),
        ("HUB_METRICS_LISTEN", "", "metrics_listen", ""),
        ("HUB_LISTEN", "[::1]:7443", "listen", "[::1]:7443"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4317", "otlp_endpoint", "http://one:4317"),
    ],
)
def test_a_setting_is_read_from_its_variable(variable: str, text: str, name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, text)
    config = Config()
    assert (getattr(config, name), name in config.named) == (value, True)


def test_the_first_variable_of_a_setting_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4317")
    monkeypatch.setenv("HUB_OTLP_ENDPOINT", "http://another:4317")
    assert Config().otlp_endpoint == "http://another:4317"


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("HUB_QUOTA_CALLS_PER_S", "0", "Input should be greater than or equal to 1"),
        ("HUB_LOG_KEEP_DAYS", "1.5", NO_WHOLE_NUMBER),
        ("HUB_LOG_KEEP_DAYS", "", NO_WHOLE_NUMBER),
        ("HUB_MAX_LAG_S", "0", "Input should be greater than 0"),
        ("HUB_MAX_LAG_S", "nan", "Input should be greater than 0"),
        ("HUB_MAX_LAG_S", "soon", NO_NUMBER),
        ("HUB_CLOSE_REFUSED_AFTER_S", "-1", "Input should be greater than or equal to 0"),
        ("HUB_TRACE_SHARE", "1.01", "Input should be less than or equal to 1"),
        ("HUB_TELEMETRY", "perhaps", "Input should be a valid boolean, unable to interpret input"),
        ("HUB_METRICS_LISTEN", "9464", "应为 it should be HOST:PORT, 如 such as 127.0.0.1:7443"),
    ],
)
def test_a_value_that_is_none_is_named_with_its_variable(variable: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsInvalid) as refused:
        Config()
    assert refused.value.lines == [f"{variable}={text}: 设置无效 no valid setting: {said}"]
