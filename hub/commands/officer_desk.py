"""What commands share by which officers decide: the store that is opened for them, refusals as one line, and the last word."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from hub.commands.database import database
from hub.commands.options import checked_side
from hub.commands.refusals import in_words
from hub.config import Config
from hub.domain.errors import HubError
from hub.journal.recorder import AggregateStore

Side = Annotated[str, typer.Option(help="哪一方：50 重庆，51 四川。Which side: 50 or 51.", callback=checked_side)]


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns a refusal into one line with the field or matter it names, and exit code 1."""
    try:
        yield
    except HubError as error:
        named = "".join(f" {name}={value}" for name, value in getattr(error, "metadata", {}).items())
        typer.echo(f"✗ {in_words(error)}{named}", err=True)
        raise typer.Exit(1) from None


@contextlib.contextmanager
def desk() -> Iterator[AggregateStore]:
    """Yields the store of aggregates; what is refused meanwhile becomes one line."""
    with database(Config()) as dsn:
        store = AggregateStore(dsn)
        try:
            with refusals():
                yield store
        finally:
            store.close()


def done(code: str, position: int, what: str) -> None:
    """Says what was recorded, and where."""
    typer.echo(f"{code}: {what}, 位置 position {position}")


def now() -> datetime:
    """Returns the present instant."""
    return datetime.now(UTC)
