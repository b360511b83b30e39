"""`hub docs`: renews every page, and every table on a page, that is generated; tests hold each of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from hub.commands import machines, roles_page, rules
from hub.commands.pages import protocol, settings, tampering
from hub.domain.reference import load
from hub.scenarios.command import write_page

_ROOT = Path(__file__).parent.parent.parent
# How each page follows from its present text: what is between markers is generated, and so is all of some.
PAGES: dict[Path, Callable[[str], str]] = {
    rules.PAGE: lambda _: rules.page(),
    machines.PAGE: lambda text: machines.page(text, load()),
    roles_page.PAGE: lambda _: roles_page.page(),
    protocol.PAGE: protocol.page,
    settings.PAGE: settings.page,
    tampering.PAGE: tampering.page,
}


def docs() -> None:
    """重写 docs/ 中由代码和数据生成的页面和表格。Renew the pages and tables in docs/ that code and data make."""
    if not (_ROOT / "docs").is_dir():
        typer.echo("✗ 只能在源码目录中运行 this works in a checkout of the sources only", err=True)
        raise typer.Exit(1)
    for name in _renewed():
        typer.echo(name)


def _renewed() -> Iterator[str]:
    for page, make in PAGES.items():
        page.write_text(make(page.read_text(encoding="utf-8")), encoding="utf-8")
        yield str(page)
    yield str(write_page(_ROOT / "tests" / "scenarios"))
