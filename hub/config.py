"""The only reader of the environment: every setting, its default and what it is for.

Settings are texts and numbers, so that reading them needs nothing but Python: every command does so first.
"""

import os
import re
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

# Where `hub serve` and `hub project` have their pages for machines unless a setting names another place.
METRICS_LISTEN = "127.0.0.1:9464"
PROJECTOR_METRICS_LISTEN = "127.0.0.1:9465"
_TRUTHS = dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True) | dict.fromkeys(("0", "off", "f", "false", "n", "no"), False)
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}")

_LOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


def is_address(text: str) -> bool:
    """Whether a text is HOST:PORT; the host may be empty, an IPv6 address is in brackets."""
    return _ADDRESS.fullmatch(text) is not None and int(text.rpartition(":")[2]) < 2**16


class SettingsInvalid(ValueError):
    """The environment has settings that are none; *lines* say which, what they are, and what is expected."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def _address(text: str) -> str:
    if text and not is_address(text):
        raise ValueError("应为 it should be HOST:PORT, 如 such as 127.0.0.1:7443")
    return text


def _truth(text: str) -> bool:
    if (found := _TRUTHS.get(text.lower())) is None:
        raise ValueError("Input should be a valid boolean, unable to interpret input")
    return found


def _log_name(text: str) -> str:
    if not _LOG_NAME.fullmatch(text):
        raise ValueError("应为 it should be 1-100 letters, digits and . _ / -, 如 such as exchange.chuanyu")
    return text


def _whole(at_least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("Input should be a valid integer, unable to parse string as an integer") from None
        if number < at_least:
            raise ValueError(f"Input should be greater than or equal to {at_least}")
        return number

    return read


def _number(*, above: float | None = None, at_least: float | None = None, at_most: float | None = None) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError("Input should be a valid number, unable to parse string as a number") from None
        # What is no number is in no order either.
        if above is not None and not number > above:
            raise ValueError(f"Input should be greater than {above:g}")
        if at_least is not None and not number >= at_least:
            raise ValueError(f"Input should be greater than or equal to {at_least:g}")
        if at_most is not None and not number <= at_most:
            raise ValueError(f"Input should be less than or equal to {at_most:g}")
        return number

    return read


def _setting(read: Callable[[str], Any], default: Any, description: str, *variables: str) -> Any:
    """Describes a setting; *variables* are what it is called where that is not HUB_ and its name, the first that is set counts."""
    return field(default=default, metadata={"read": read, "description": description, "variables": variables})


def variables_of(setting: Field[Any]) -> tuple[str, ...]:
    """Returns the variables that a setting is read from."""
    return setting.metadata["variables"] or (f"HUB_{setting.name.upper()}",)


@dataclass(init=False)
class Config:
    """Settings, each from HUB_<NAME> in the environment."""

    data_dir: Path = _setting(Path, Path("data"), "keys, certificates and the embedded database")
    dsn: str = _setting(str, "", "a PostgreSQL to use instead of the embedded one, such as postgresql://hub_app@db/hub")
    migrate_dsn: str = _setting(str, "", "the login that owns the schemas, for migrations alone; that of HUB_DSN if empty")
    keys_apart_dir: Path | None = _setting(Path, None, "where the key files are", "HUB_KEYS_DIR")
    archive_dir: Path | None = _setting(
        Path, None, "where segments of archived partitions are looked for first, then where each was archived from"
    )
    listen: str = _setting(_address, "127.0.0.1:7443", "where the gRPC server listens, and which hub commands ask")
    console_listen: str = _setting(_address, "127.0.0.1:7480", "where `hub console` listens")
    console_address: str = _setting(
        str, "", "the console's address as browsers reach it, such as https://hub.example; signing in by a provider needs it"
    )
    oidc_issuer: str = _setting(str, "", "the provider of identities that the console lets in by (OpenID Connect); empty for none")
    oidc_client_id: str = _setting(str, "chuanyu-console", "what the console is called there")
    oidc_secret_file: str = _setting(str, "", "a file with the secret that it has there; a public client has none")
    oidc_claim: str = _setting(str, "hub_roles", "the claim that names roles and provinces, such as AUDITOR and 51")
    log_name: str = _setting(_log_name, "exchange.chuanyu", "the name of the log that anybody can verify, from its first start on")
    log_listen: str = _setting(_address, "", "where that log is served over HTTP by what seals it; empty for nowhere")
    log_policy: Path | None = _setting(Path, None, "the policy file with the witnesses that cosign that log (docs/witness.md)")
    quota_calls_per_s: int = _setting(_whole(1), 1_000, "calls a second of one participant at one edge")
    quota_events_per_s: int = _setting(_whole(1), 10_000, "events a second of one participant at one edge")
    quota_calls_at_once: int = _setting(_whole(1), 256, "calls of one participant under way at once at one edge")
    quota_streams_at_once: int = _setting(_whole(1), 64, "streams of one participant open at once at one edge")
    quota_misses_per_min: int = _setting(
        _whole(1), 300, "questions a minute of one participant at one edge about cards that nobody registered"
    )
    close_refused_after_s: float = _setting(
        _number(at_least=0), 10.0, "how long connections of refused callers are kept, in seconds, for the refusals to be read"
    )
    first_message_s: float = _setting(_number(at_least=1), 10.0, "how many seconds after its call a request may come")

    max_lag_s: float = _setting(_number(above=0), 10.0, "how many seconds the views may be behind before questions are refused")
    max_clock_drift_s: float = _setting(
        _number(above=0), 5.0, "how many seconds the hub's clock may be off its database's before questions and events are refused"
    )

    # Six months are at most 184 days; the law asks for six months at least [S59][S60].
    log_keep_days: int = _setting(_whole(1), 184, "how many days the access and security logs are kept")
    log_max_bytes: int = _setting(_whole(1024**2), 10 * 1024**3, "the most bytes each of these logs may take, compressed days included")

    audit_keep_days: int = _setting(_whole(1), 184, "how many days the outcomes, reports and bundles of audits are kept as files")

    telemetry: bool = _setting(_truth, True, "whether traces and metrics are kept at all")
    otlp_endpoint: str = _setting(
        str,
        "",
        "the collector's OTLP/gRPC address, such as http://collector:4317; without it traces go to the local store",
        "HUB_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    metrics_listen: str | None = _setting(_address, None, "where /metrics is served; empty for nowhere")
    traces_listen: str = _setting(_address, "", "where the local store takes spans of adapters on this machine, such as 127.0.0.1:4317")
    trace_share: float = _setting(_number(at_least=0, at_most=1), 0.01, "which share of ordinary calls is kept as traces")
    trace_slow_ms: float = _setting(_number(above=0), 250.0, "a call that takes longer, in milliseconds, is always kept")
    trace_keep_hours: float = _setting(_number(above=0), 6.0, "how many hours the local store keeps spans")
    trace_max_bytes: int = _setting(_whole(1024**2), 256 * 1024**2, "the most bytes the local store may take")

    def __init__(self, **given: Any) -> None:
        """Reads the environment; settings that are *given* are not read. Raises SettingsInvalid."""
        environment = {name.upper(): text for name, text in os.environ.items()}
        assert given.keys() <= {setting.name for setting in fields(self)}, "no such setting"
        self.named, wrong = set(given), []
        for setting in fields(self):
            value = given.get(setting.name, setting.default)
            variable = next((name for name in variables_of(setting) if name in environment), None)
            if variable is not None and setting.name not in given:
                self.named.add(setting.name)
                try:
                    value = setting.metadata["read"](environment[variable])
                except ValueError as problem:
                    wrong.append(f"{variable}={environment[variable]}: 设置无效 no valid setting: {problem}")
            setattr(self, setting.name, value)
        if wrong:
            raise SettingsInvalid(wrong)

    @property
    def quota(self) -> dict[str, int]:
        """The limits of a participant that has none of its own, by name."""
        return {name.removeprefix("quota_"): value for name, value in vars(self).items() if name.startswith("quota_")}

    @property
    def keys_dir(self) -> Path:
        """Where the key files are."""
        return self.keys_apart_dir or self.data_dir / "keys"

    @property
    def logs_dir(self) -> Path:
        """Where the access and security logs are."""
        return self.data_dir / "logs"

    @property
    def certificates_dir(self) -> Path:
        """Where the CA and the certificates it issued are."""
        return self.data_dir / "certificates"
