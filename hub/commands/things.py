"""Commands about one thing of any kind, made of `THINGS`: one a kind, with the fields of the kind and the options of who asks."""

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from hub.audit.requests.things import THINGS, Field, takes

# Takes the kind and what was typed for its fields, then its own options.
Ask = Callable[..., None]


def add_commands(app: typer.Typer, ask: Ask, ask_by_card: Ask) -> None:
    """Adds a command for each kind of thing; *ask_by_card* is for those that a card names."""
    for kind, thing in THINGS.items():
        command = _command(kind, ask_by_card if takes(kind, "card") else ask)
        app.command(kind, help=f"{thing.title.zh}：{thing.says.zh}{thing.title.en} {thing.says.en}")(command)


def _command(kind: str, ask: Ask) -> Callable[..., None]:
    fields = THINGS[kind].fields

    def command(**given: Any) -> None:
        typed = {field.name: given.pop(field.name) for field in fields}
        ask(kind, {name: text for name, text in typed.items() if text}, **given)

    command.__signature__ = inspect.Signature([*map(_parameter, fields), *_own(kind, ask)])  # type: ignore[attr-defined]
    return command


def _parameter(field: Field) -> inspect.Parameter:
    said = f"{field.title.zh}，如 {field.example}。{field.title.en}, such as {field.example}."
    place = typer.Option(field.option, help=said) if field.option else typer.Argument(help=said)
    default = inspect.Parameter.empty if field.is_required else ""
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[str, place])


def _own(kind: str, ask: Ask) -> Iterator[inspect.Parameter]:
    """Yields the options of who asks, without an instant where a kind is not asked about one."""
    for own in list(inspect.signature(ask).parameters.values())[2:]:
        if own.name != "valid_at" or takes(kind, "valid_at"):
            yield own.replace(kind=inspect.Parameter.KEYWORD_ONLY)
