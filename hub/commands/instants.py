"""Instants as operators type them."""

from datetime import datetime

import typer

from hub.admin.message_toml import instant


def local_instant(text: str) -> datetime:
    """Returns the instant in UTC of a day or a time, in +08:00 where it has no offset; raises BadParameter."""
    try:
        return instant(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"不是日期或时刻 neither a day nor a time: {text}; 如 such as 2026-03-03T10:05+08:00") from None


def zoned_instant(text: str, option: str) -> datetime:
    """Returns an instant that says its offset; raises BadParameter for *option*."""
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("ISO 8601 时刻，如 an instant such as 2026-03-03T10:05+08:00", param_hint=option) from None
    if typed.tzinfo is None:
        raise typer.BadParameter("缺少时区，如 the zone is missing, such as +08:00", param_hint=option)
    return typed
