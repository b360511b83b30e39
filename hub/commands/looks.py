"""The command `hub looks`: who looked at which card, when, why, and what was shown."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from hub.commands.asking import Operator
from hub.commands.looking import Card, Issuer, Most, Purpose, Search, Since, Until
from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.looks import KIND, Shown
from hub.domain.participant import PREFIX
from hub.journal.reader import Recorded


def looks(
    card: Card = "",
    issuer: Issuer = "",
    participant: Annotated[str, typer.Option(help="只看这个参与方的。Only those of this participant.")] = "",
    since: Since = "",
    until: Until = "",
    purpose: Purpose = "",
    operator: Operator = "",
    most: Most = 100,
    as_json: Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")] = False,
) -> None:
    """列出谁查看过哪张卡、何时、为何、看到什么，最新在前；查看本身也入账。List who looked at which card and why; itself a look."""
    texts = [PREFIX + participant.removeprefix(PREFIX)] if participant else []
    wanted = Search(card, issuer, since, until, most, purpose, operator)
    rows = [summary(one) for one in wanted.found(KIND, texts, Shown.SHOWN_RECORD_LOOKS)]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    screen().print(_listing(rows))
    typer.echo(f"{len(rows):,} 次查看 looks" + ("，要更多用 for more --most" if len(rows) == most else ""))


def summary(recorded: Recorded) -> dict[str, Any]:
    """What is printed of a look; a card is named by its key."""
    look = recorded.event.card_record_queried
    return {
        "position": recorded.position,
        "recorded_at": local(recorded.recorded_us),
        "participant": look.participant.removeprefix(PREFIX),
        "operator": look.operator,
        "purpose": look.purpose_code,
        "shown": Shown.Name(look.shown).removeprefix("SHOWN_RECORD_"),
        "of_position": look.position,
        "issuing_province": recorded.event.card.issuing_province,
        "card_key": recorded.event.card.key.hex(),
    }


def _listing(rows: list[dict[str, Any]]) -> Table:
    drawn = table(
        whole("位置\nposition"), whole("入账\nrecorded"), folded("谁\nwho"), whole("事由\nwhy"), whole("所示\nshown"),
        whole("卡键\ncard key"),
    )  # fmt: skip
    for row in rows:
        who = row["participant"] + (f"\n{row['operator']}" if row["operator"] else "")
        shown = row["shown"] + (f"\n{row['of_position']}" if row["of_position"] else "")
        key = f"{row['issuing_province']} {row['card_key'][:16]}…" if row["card_key"] else "—"
        drawn.add_row(str(row["position"]), row["recorded_at"], who, row["purpose"], shown, key)
    return drawn
