"""Writes SVG elements with everything escaped."""

from collections.abc import Iterable
from functools import cache

from markupsafe import Markup, escape


def tag(name: str, text: str = "", /, inner: Iterable[Markup] = (), **attributes: object) -> Markup:
    """Returns an element; an underscore in the name of an attribute is a dash, one at its end is left out."""
    # A page has hundreds: formatting through Markup took three times as long.
    said = "".join(f' {_written(key)}="{escape(value)}"' for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{said}>{escape(text)}{''.join(map(escape, inner))}</{name}>")  # noqa: S704 (all but our own names is escaped)


@cache
def _written(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def picture(width: int, height: int, label: str, inner: Iterable[Markup], kind: str = "") -> Markup:
    """Returns a picture that has links or many parts: a group to a screen reader, which reads the table beside it."""
    parts = [tag("title", label), *inner]
    return tag(
        "svg", "", parts, class_=f"drawn {kind}".strip(), width=width, height=height, viewBox=f"0 0 {width} {height}", role="group",
        aria_label=label,
    )  # fmt: skip
