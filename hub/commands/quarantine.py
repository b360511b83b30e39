"""`hub quarantine`: what is quarantined and why, its original with every identifier masked, and its evaluation by the rules of now."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer

from hub.admin.desks import opened
from hub.admin.quarantine import QuarantineDesk
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.instants import local_instant
from hub.commands.login import acting
from hub.commands.looking import Purpose, look_first
from hub.commands.quarantine_screen import explained, handling_of, in_words, listing, show_one, summary
from hub.commands.wording import local, screen
from hub.config import Config
from hub.domain import reference
from hub.domain.errors import HubError, JournalUnavailable, RequestInvalid
from hub.domain.instants import microseconds_of
from hub.domain.looks import Shown
from hub.domain.masking import in_clear, shown
from hub.domain.participant import HUB, PREFIX
from hub.domain.quarantine import MEANINGS, QuarantineOriginalTooLarge, is_rule
from hub.journal.reader import head_position
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views, positions
from hub.projections.views.quarantine import QUARANTINE, Listed, Wanted, counted, listed
from hub.trust.keyring import open_keyring

app = typer.Typer(help="隔离事件：列出、查看、重新评估。Quarantined events: list, look, evaluate again.", no_args_is_help=True)

Feed = Annotated[str, typer.Option(help="只看这个数据流。Only this feed.")]
Participant = Annotated[str, typer.Option(help="只看这个参与方的数据流。Only the feeds of this participant.")]
Rule = Annotated[str, typer.Option(help="只看违反这条规则的。Only those that break this rule.")]
Since = Annotated[
    str, typer.Option(help="只看此后入账的；无时区为北京时间。Only those recorded since a day or time; +08:00 without an offset.")
]
Json = Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")]


@app.command("list")
def list_quarantined(
    feed: Feed = "",
    participant: Participant = "",
    rule: Rule = "",
    since: Since = "",
    unsettled: Annotated[
        bool, typer.Option("--open/--all", help="只列未了结的，或全部。Only those that nothing settled yet, or all.")
    ] = True,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="最多条数。How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """列出隔离事件、所违反的规则及处理状态，最新在前。List quarantined events, the rules they break and their states, newest first."""
    owner = PREFIX + participant.removeprefix(PREFIX) if participant else ""
    with database(Config()) as dsn:
        wanted = Wanted(feed, owner, rule, _instant_us(since), only_unsettled=unsettled, most=most)
        found, count, behind = _listed(dsn, wanted)
    if as_json:
        for one in found:
            typer.echo(json.dumps(summary(one), ensure_ascii=False))
        return
    screen().print(listing(found))
    shown = f"{count:,} 条中最新的 {len(found):,} 条 newest {len(found):,} of {count:,}" if count > len(found) else f"{count:,} 条"
    more = "，要更多用 for more --most" if count > len(found) else ""
    typer.echo(f"{shown} quarantined events{more}" + (f"，视图落后 view behind by {behind:,}" if behind else ""))


@app.command()
def show(
    feed: Annotated[str, typer.Argument(help="数据流。Feed.")],
    sequence: Annotated[int, typer.Argument(min=1, help="序号。Number in the feed.")],
    clear: Annotated[
        bool, typer.Option("--clear", help="显示明文，须说明事由并留痕。Show it in clear; asks why, and is recorded.")
    ] = False,
    reason: Annotated[str, typer.Option(help="查看明文的事由，不写人名和证号。Why in clear; no names, no numbers of people.")] = "",
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """查看一条隔离事件：原因，原文（标识打码）。Show one: its reasons and what was sent, identifiers masked."""
    if clear and not reason:
        raise typer.BadParameter("明文查看须用 --reason 说明事由。--clear asks for --reason.")
    with _desk() as (dsn, desk):
        quarantined = desk.find(feed, sequence)
        if clear:
            sent: dict[str, str] | None = dict(in_clear(desk.open_in_clear(feed, sequence, acting(operator), reason, datetime.now(UTC))))
        else:
            try:
                original, refusal = desk.original(quarantined), None
            except QuarantineOriginalTooLarge as too_large:
                original, refusal = None, too_large
            keys, issuer = desk.card_named(original)
            look_first(dsn, keys, issuer, Shown.SHOWN_RECORD_QUARANTINED, purpose, operator, quarantined.recorded.position)
            sent = dict(shown(original, _words(desk))) if original is not None else {"": str(refusal)} if refusal else None
        found, *_ = _listed(dsn, Wanted(feed, sequence=sequence))
    recorded = quarantined.recorded
    told = {
        "feed": feed,
        "sequence": sequence,
        "position": recorded.position,
        "recorded_at": local(recorded.recorded_us),
        "kind": recorded.event.event_quarantined.declared_kind,
        "violations": explained([(v.field_path, v.rule_id) for v in recorded.event.event_quarantined.violations]),
        "handling": handling_of(found[0]) if found else None,
        "sent": sent,
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        show_one(told)


@app.command("re-evaluate")
@app.command("replay", hidden=True)
def re_evaluate(
    feed: Annotated[str, typer.Argument(help="数据流。Feed.")] = "",
    sequences: Annotated[list[int] | None, typer.Argument(min=1, help="序号，可多个。Numbers in the feed.")] = None,
    of_feed: Annotated[str, typer.Option("--feed", help="这个数据流的全部未了结事件。All unsettled ones of this feed.")] = "",
    rule: Annotated[str, typer.Option(help="违反这条规则的全部未了结事件。All unsettled ones that break this rule.")] = "",
    all_open: Annotated[bool, typer.Option("--all-open", help="全部未了结事件。All unsettled ones.")] = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """按现行规则重新评估；合规即放行入账，且只放行一次。Evaluate again by the rules of now; what passes is released, once."""
    if bool(sequences) == bool(of_feed or rule or all_open) or bool(feed) != bool(sequences):
        raise typer.BadParameter("给出数据流和序号，或 --feed、--rule、--all-open。Name a feed and numbers, or --feed, --rule, --all-open.")
    refused = False
    with _desk() as (dsn, desk):
        chosen = [(feed, sequence) for sequence in sequences or ()]
        if not chosen:
            found, *_ = _listed(dsn, Wanted(of_feed, rule=rule, only_unsettled=True))
            chosen = [(one.feed, one.entry.sequence) for one in reversed(found)]
        for named, sequence in chosen:
            outcome = _evaluate(desk, named, sequence, acting(operator))
            refused = refused or "error" in outcome
            typer.echo(json.dumps(outcome, ensure_ascii=False) if as_json else in_words(outcome))
    if not as_json:
        typer.echo(f"{len(chosen):,} 条已评估 evaluated")
    raise typer.Exit(1 if refused else 0)


def _evaluate(desk: QuarantineDesk, feed: str, sequence: int, operator: str) -> dict[str, Any]:
    """Evaluates one event; a refusal is an outcome of its own, so that those after it are evaluated too."""
    told: dict[str, Any] = {"feed": feed, "sequence": sequence}
    try:
        evaluated = desk.evaluate(feed, sequence, operator, datetime.now(UTC))
    except (JournalUnavailable, RequestInvalid):
        raise
    except HubError as error:
        where = {name: int(value) for name, value in error.metadata.items() if name == "position"}
        return {**told, "outcome": "REFUSED", "error": type(error).__name__, "message": str(error), **where}
    if evaluated.violations:
        return {**told, "outcome": "FAILING", "violations": explained(evaluated.violations)}
    return {**told, "outcome": "RELEASED", "position": evaluated.position}


@contextlib.contextmanager
def _desk() -> Iterator[tuple[str, QuarantineDesk]]:
    config = Config()
    with database(config) as dsn, opened(QuarantineDesk, dsn, open_keyring(config.keys_dir), reference.load()) as desk:
        yield dsn, desk


def _listed(dsn: str, wanted: Wanted) -> tuple[list[Listed], int, int]:
    """Reads the view, how many there are in all, and by how many positions the view is behind the journal."""
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        _refuse_unknown(connection, wanted)
        behind = head_position(connection) - positions(connection, [QUARANTINE])[QUARANTINE.name]
        return listed(connection, wanted), counted(connection, wanted), behind


def _refuse_unknown(connection: psycopg.Connection, wanted: Wanted) -> None:
    """Refuses a selection by a feed, participant or rule that there is not: it would look as if all were well."""
    streams = connection.execute("SELECT name, owner FROM journal.stream WHERE owner <> %s", (HUB,)).fetchall()
    feeds, owners = {name for name, _ in streams}, {owner for _, owner in streams}
    if wanted.feed and wanted.feed not in feeds:
        raise typer.BadParameter(f"没有这个数据流。No such feed; there are {' '.join(sorted(feeds))}")
    if wanted.owner and wanted.owner not in owners:
        known = " ".join(sorted(owner.removeprefix(PREFIX) for owner in owners))
        raise typer.BadParameter(f"没有这个参与方的数据流。No feed of such a participant; there are {known}")
    if wanted.rule and not is_rule(wanted.rule):
        known = " ".join(sorted(MEANINGS))
        raise typer.BadParameter(f"没有这条规则。No such rule; known are {known}, and others of protovalidate, such as string.min_len")


def _words(desk: QuarantineDesk) -> frozenset[str]:
    """Returns the texts that say nothing of a person: codes of the tables and names of feeds."""
    tables = reference.load()
    return frozenset(("50", "51")) | tables.scenario_codes | frozenset(tables.regions) | frozenset(desk.feeds())


def _instant_us(text: str) -> int:
    return microseconds_of(local_instant(text)) if text else 0
