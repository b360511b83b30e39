"""The table of settings in docs/operations.md, from the fields of `hub/config.py`."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from hub.commands.pages.blocks import renewed, table
from hub.config import METRICS_LISTEN, PROJECTOR_METRICS_LISTEN, Config, variables_of

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "operations.md"
# What a setting is where it is not set and its default is None.
_COMPUTED = {
    "archive_dir": "none: only where each segment was when its partition was archived",
    "log_policy": "none: nobody is asked",
    "keys_apart_dir": "`keys` in `HUB_DATA_DIR`",
    "metrics_listen": f"`{METRICS_LISTEN}`, of `hub project` `{PROJECTOR_METRICS_LISTEN}`",
}


def page(text: str) -> str:
    """Returns the page with its table of settings as the hub has them now."""
    return renewed(text, {"settings": table(("variable", "default", "meaning"), _rows())})


def _rows() -> Iterator[tuple[str, ...]]:
    for setting in fields(Config):
        variables = " or ".join(f"`{variable}`" for variable in variables_of(setting))
        yield variables, _default(setting.name, setting.default), setting.metadata["description"]


def _default(name: str, value: object) -> str:
    if value is None:
        return _COMPUTED[name]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"`{value}` ({value >> 20:,} MiB)"
    return f"`{value}`" if str(value) else "empty"
