"""The few pieces of HTML that the reference is made of; every text is escaped here."""

from collections.abc import Iterable
from html import escape


def plain(text: str) -> str:
    """Returns plain text as a page shows it."""
    return escape(text)


def heading(level: int, anchor: str, chinese: str, english: str) -> str:
    """Returns a heading that links can go to, Chinese first."""
    zh = f'<span lang="zh-CN">{escape(chinese)}</span> ' if chinese else ""
    return f'<h{level} id="{escape(anchor)}">{zh}{escape(english)}</h{level}>\n'


def paragraph(text: str) -> str:
    """Returns a paragraph of plain text."""
    return f"<p>{escape(text)}</p>\n" if text else ""


def code(text: str, anchor: str = "") -> str:
    """Returns a word of the protocol, with its own anchor if it has one."""
    return f'<code id="{escape(anchor)}">{escape(text)}</code>' if anchor else f"<code>{escape(text)}</code>"


def link(anchor: str, text: str) -> str:
    """Returns a link within the page."""
    return f'<a href="#{escape(anchor)}">{escape(text)}</a>'


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Returns a table whose cells are markup already; none if there is no row, and no head if it is empty."""
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows]
    if not lines:
        return ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return "<table>\n" + (f"<thead><tr>{names}</tr></thead>\n" if any(head) else "") + f"<tbody>\n{''.join(lines)}</tbody></table>\n"


def example(title: str, text: str) -> str:
    """Returns an example with its title."""
    return f"<figure><figcaption>{escape(title)}</figcaption><pre>{escape(text)}</pre></figure>\n"
