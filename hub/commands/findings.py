"""The command `hub findings`: what contradicts what, in words, with both events."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hub.config import Config
from hub.database import database

if TYPE_CHECKING:
    from hub.projections.findings import Listed


def findings(
    card: Annotated[str, typer.Option(help="只看这张卡：枢纽的卡键（十六进制）。Only this card, by the hub's key in hex.")] = "",
    most: Annotated[int, typer.Option(min=1, max=100_000, help="最多条数。How many at most.")] = 100,
    notes: Annotated[bool, typer.Option(help="也列出重复上报。List what was told twice, too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")] = False,
) -> None:
    """列出发现：相互矛盾的事实、挂失注销后的用卡、同省两张在用卡。List what contradicts what, with both events."""
    from hub.domain.findings import MEANINGS
    from hub.projections import PROJECTIONS, runner
    from hub.projections.engine import create_views
    from hub.projections.findings import listed
    from hub.projections.person_cards import listed_persons

    try:
        key = bytes.fromhex(card)
    except ValueError:
        key = b""
    if card and len(key) != 32:
        raise typer.BadParameter("卡键是 64 位十六进制数。The key of a card is 64 hexadecimal digits.")
    with database(Config()) as dsn, runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        found = listed(connection, key or None)
        if not key:
            found += listed_persons(connection)
    found = [one for one in found if notes or not MEANINGS[one.found.code].is_note]
    found.sort(key=lambda one: (one.found.position, one.found.against_position), reverse=True)
    for one in found[:most]:
        if as_json:
            about = {"about": one.about, "key": one.key, "issuing_province": one.issuing_province}
            typer.echo(json.dumps({**about, **one.found._asdict()}))
    if not as_json:
        _show(found[:most])
        typer.echo(f"{len(found):,} 条发现 findings")


def _show(found: "list[Listed]") -> None:
    from rich.table import Table

    from hub.domain.findings import MEANINGS

    table = Table("位置 position", "相对 against", "代码 code", "事件 event", "发生 occurred", "对象 about", "说明 meaning")
    for one in found:
        meaning = MEANINGS[one.found.code]
        occurred = datetime.fromtimestamp(one.found.occurred_us / 1_000_000, UTC).isoformat(sep=" ", timespec="seconds")
        table.add_row(
            str(one.found.position),
            str(one.found.against_position or "–"),
            one.found.code,
            one.found.kind,
            occurred,
            f"{one.about} {one.key[:12]}… {one.issuing_province}",
            f"{meaning.text_zh} {meaning.text_en}",
        )
    Console().print(table)
