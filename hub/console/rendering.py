"""Makes pages of templates: everything is escaped, and a name that a template does not know is a fault."""

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hub.console import drawing
from hub.console.tables import number

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


@cache
def environment() -> Environment:
    """The templates."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        auto_reload=False, cache_size=-1,
    )  # fmt: skip
    offered: dict[str, Any] = {"draw": drawing, "number": number, "asset": asset}
    made.globals.update(offered)
    return made


def compile_all() -> None:
    """Compiles the templates, so that nobody who asks for a page waits for that of it."""
    for name in environment().list_templates():
        environment().get_template(name)


def render(template: str, values: Mapping[str, Any]) -> Markup:
    """Returns a template with its values."""
    return Markup(environment().get_template(f"{template}.html").render(values))  # noqa: S704 (our own templates, which escape)


@cache
def asset(name: str) -> str:
    """Returns the address of a static file, which changes with what is in it."""
    return f"/static/{name}?{blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()}"
