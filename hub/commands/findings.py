"""`hub findings`: what contradicts what, in words, with both events; and what rules have raised, for people to decide (subcommands)."""

import json
from typing import Annotated

import typer
from rich.table import Table

from hub.commands import finding_review
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.looking import Purpose, look_first
from hub.commands.wording import folded, in_two_lines, screen, table, whole
from hub.config import Config
from hub.domain.findings import MEANINGS
from hub.domain.looks import Shown
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.views.contradictions import listed_contradicted, listed_shown_again
from hub.projections.views.daily_usage import listed_uses
from hub.projections.views.findings import Listed, listed
from hub.projections.views.person_cards import listed_persons
from hub.projections.views.unverified import listed_unverified

app = typer.Typer(
    help="异常用卡：相互矛盾的事实与申报；规则提出的发现、核查、试算。What contradicts what; findings that rules raise, and their review.",
    invoke_without_command=True,
)
app.command("raised")(finding_review.raised)
app.command("show")(finding_review.show)
app.command("review")(finding_review.review)
app.command("confirm")(finding_review.confirm)
app.command("clear")(finding_review.clear)
app.command("rules")(finding_review.rules)
app.command("simulate")(finding_review.try_out)
app.command("adopt")(finding_review.adopt)


@app.callback()
def findings(
    context: typer.Context,
    card: Annotated[str, typer.Option(help="只看这张卡：枢纽的卡键（十六进制）。Only this card, by the hub's key in hex.")] = "",
    most: Annotated[int, typer.Option(min=1, max=100_000, help="最多条数。How many at most.")] = 100,
    notes: Annotated[bool, typer.Option(help="也列出重复上报。List what was reported twice, too.")] = True,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")] = False,
) -> None:
    """列出发现：相互矛盾的事实与申报、挂失注销后的用卡、重复出示、同省两张在用卡。List what contradicts what, with both events."""
    if context.invoked_subcommand is not None:
        return
    try:
        key = bytes.fromhex(card)
    except ValueError:
        key = b""
    if card and len(key) != 32:
        raise typer.BadParameter("卡键是 64 位十六进制数。The key of a card is 64 hexadecimal digits.")
    with database(Config()) as dsn, runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        of_cards = (listed, listed_uses, listed_unverified, listed_shown_again)
        found = [one for read in of_cards for one in read(connection, key or None)]
        if not key:
            found += [*listed_persons(connection), *listed_contradicted(connection)]
        province = next((one.issuing_province for one in found if key), "")
        look_first(dsn, [key] if key else [], province, Shown.SHOWN_RECORD_FINDINGS, purpose, operator)
    found = [one for one in found if notes or not MEANINGS[one.found.code].is_note]
    found.sort(key=lambda one: (one.found.position, one.found.against_position), reverse=True)
    for one in found[:most]:
        if as_json:
            about = {"about": one.about, "key": one.key, "issuing_province": one.issuing_province}
            typer.echo(json.dumps({**about, **one.found._asdict()}))
    if not as_json:
        screen().print(listing(found[:most]))
        if len(found) > most:
            typer.echo(f"{len(found):,} 条中最新的 {most:,} 条 newest {most:,} of {len(found):,} findings，要更多用 for more --most")
        else:
            typer.echo(f"{len(found):,} 条发现 findings")


def listing(found: list[Listed]) -> Table:
    """Draws the list; a key goes over four lines."""
    drawn = table(
        whole("位置\nposition"),
        whole("相对\nagainst"),
        whole("发生 +08:00\noccurred"),
        whole("代码 code\n事件 event"),
        whole("对象、键\nabout, key"),
        folded("说明 meaning"),
    )
    for one in found:
        meaning = MEANINGS[one.found.code]
        key = [one.key[at : at + 16] for at in range(0, len(one.key), 16)]
        drawn.add_row(
            str(one.found.position),
            str(one.found.against_position or "–"),
            in_two_lines(one.found.occurred_us),
            f"{one.found.code}\n{one.found.kind}",
            "\n".join([f"{one.about} {one.issuing_province}", *key]),
            f"{meaning.text_zh} {meaning.text_en}",
        )
    return drawn
