"""The only reader of the environment: every setting, its default and what it is for."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

# Where `hub serve` and `hub project` have their pages for machines unless a setting names another place.
METRICS_LISTEN = "127.0.0.1:9464"
PROJECTOR_METRICS_LISTEN = "127.0.0.1:9465"
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}")


def is_address(text: str) -> bool:
    """Whether a text is HOST:PORT; the host may be empty, an IPv6 address is in brackets."""
    return _ADDRESS.fullmatch(text) is not None and int(text.rpartition(":")[2]) < 2**16


def _checked_address(text: str) -> str:
    if text and not is_address(text):
        raise ValueError("应为 it should be HOST:PORT, 如 such as 127.0.0.1:7443")
    return text


def settings_in_words(error: ValidationError) -> list[str]:
    """Returns a line for each setting that is none: its variable, its value, and what is expected."""
    lines = []
    for one in error.errors():
        name = str(one["loc"][0])
        variable = name if name.isupper() else f"HUB_{name.upper()}"
        lines.append(f"{variable}={one['input']}: 设置无效 no valid setting: {one['msg'].removeprefix('Value error, ')}")
    return lines


Address = Annotated[str, AfterValidator(_checked_address)]


class Config(BaseSettings):
    """Settings, each from HUB_<NAME> in the environment."""

    model_config = SettingsConfigDict(env_prefix="HUB_")

    data_dir: Path = Field(default=Path("data"), description="keys, certificates and the embedded database")
    dsn: str = Field(default="", description="a PostgreSQL to use instead of the embedded one, such as postgresql://hub_app@db/hub")
    migrate_dsn: str = Field(default="", description="the login that owns the schemas, for migrations alone; that of HUB_DSN if empty")
    keys_apart_dir: Path | None = Field(default=None, validation_alias="HUB_KEYS_DIR", description="where the key files are")
    listen: Address = Field(default="127.0.0.1:7443", description="where the gRPC server listens, and which hub commands ask")
    quota_calls_per_s: int = Field(default=1_000, ge=1, description="calls a second of one participant at one edge")
    quota_events_per_s: int = Field(default=10_000, ge=1, description="events a second of one participant at one edge")
    quota_calls_at_once: int = Field(default=256, ge=1, description="calls of one participant under way at once at one edge")
    quota_streams_at_once: int = Field(default=64, ge=1, description="streams of one participant open at once at one edge")
    quota_misses_per_min: int = Field(
        default=300, ge=1, description="questions a minute of one participant at one edge about cards that nobody registered"
    )
    close_refused_after_s: float = Field(
        default=10.0, ge=0, description="how long connections of refused callers are kept, in seconds, for the refusals to be read"
    )
    first_message_s: float = Field(default=10.0, ge=1, description="how many seconds after its call a request may come")

    max_lag_s: float = Field(default=10.0, gt=0, description="how many seconds the views may be behind before questions are refused")
    max_clock_drift_s: float = Field(
        default=5.0, gt=0, description="how many seconds the hub's clock may be off its database's before questions and events are refused"
    )

    # Six months are at most 184 days; the law asks for six months at least [S59][S60].
    log_keep_days: int = Field(default=184, ge=1, description="how many days the access and security logs are kept")
    log_max_bytes: int = Field(
        default=10 * 1024**3, ge=1024**2, description="the most bytes each of these logs may take, compressed days included"
    )

    telemetry: bool = Field(default=True, description="whether traces and metrics are kept at all")
    otlp_endpoint: str = Field(
        default="",
        validation_alias=AliasChoices("HUB_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="the collector's OTLP/gRPC address, such as http://collector:4317; without it traces go to the local store",
    )
    metrics_listen: Address | None = Field(default=None, description="where /metrics is served; empty for nowhere")
    traces_listen: Address = Field(
        default="", description="where the local store takes spans of adapters on this machine, such as 127.0.0.1:4317"
    )
    trace_share: float = Field(default=0.01, ge=0, le=1, description="which share of ordinary calls is kept as traces")
    trace_slow_ms: float = Field(default=250.0, gt=0, description="a call that takes longer, in milliseconds, is always kept")
    trace_keep_hours: float = Field(default=6.0, gt=0, description="how many hours the local store keeps spans")
    trace_max_bytes: int = Field(default=256 * 1024**2, ge=1024**2, description="the most bytes the local store may take")

    @property
    def quota(self) -> dict[str, int]:
        """The limits of a participant that has none of its own, by name."""
        return {name.removeprefix("quota_"): value for name, value in self if name.startswith("quota_")}

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
