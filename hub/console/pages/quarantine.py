"""Quarantine: what is open, by feed and rule, with what its province has to send; one event, masked; and its evaluation again."""

import json
from datetime import UTC, datetime

from chuanyu.exchange.v1 import references_pb2

from hub.admin.accounts.roles import OPERATOR
from hub.admin.desks import opened
from hub.admin.quarantine import QuarantineDesk
from hub.console.page import Moved, Page, PageForbidden, PageUnknown, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain import reference
from hub.domain.looks import Shown as ShownRecord
from hub.domain.looks import card_by_key
from hub.domain.masking import shown as masked
from hub.domain.participant import PREFIX
from hub.domain.quarantine import QuarantineOriginalTooLarge, meaning_of
from hub.journal.reader import events_at, head_position
from hub.journal.streams import stream_row
from hub.journal.traces import traces_at
from hub.projections.views.quarantine import FAILING, OPEN, Listed, Wanted, counted, listed
from hub.words.further_kinds import kind_words
from hub.words.names import QUARANTINE

MOST = 200


def quarantine(page: Page) -> Shown:
    """Shows quarantined events, the open ones first."""
    everything = page.query.get("all") == "1"
    wanted = Wanted(page.query.get("feed", "")[:63], rule=page.query.get("rule", "")[:80], only_unsettled=not everything, most=MOST)
    with page.reading() as connection:
        known = page.known(connection)
        wanted = wanted._replace(known=known.position if known is not None else 0)
        position, found, count = head_position(connection), listed(connection, wanted), counted(connection, wanted)
    seen = [one for one in found if page.may_see(page.workings.province_of(one.owner)) and _is_of(page, one)]
    # How many are open of the other side is not theirs.
    count = len(seen) if page.is_confined else count
    values = {"count": count, "shown_count": len(seen), "everything": everything, "feed": wanted.feed, "rule": wanted.rule}
    return Shown("quarantine", page.t("隔离", "Quarantine"), values, (_table(page, seen),), position, known=known)


def _is_of(page: Page, one: Listed) -> bool:
    return page.province in ("", page.workings.province_of(one.owner))


def _table(page: Page, found: list[Listed]) -> Table:
    columns = (
        Column("event", "事件", "Event"),
        Column("kind", "种类", "Kind"),
        Column("breaks", "违反", "Breaks"),
        Column("send", "怎么改", "What to send"),
        Column("recorded", "入账", "Recorded", "time"),
        Column("state", "状态", "State"),
    )
    rows = []
    for one in found:
        path, rule = one.violations[0] if one.violations else ("", "")
        meaning = meaning_of(rule, path)
        more = f" +{len(one.violations) - 1}" if len(one.violations) > 1 else ""
        rows.append(
            (
                Cell(
                    f"{one.feed}#{one.entry.sequence}",
                    f"/quarantine/{one.position}",
                    swatch=SWATCHES.get(page.workings.province_of(one.owner), "hub"),
                ),
                Cell(page.t(*kind_words(one.entry.declared_kind)) or "—", code=one.entry.declared_kind),
                Cell((path or "—") + more, code=rule),
                page.t(meaning.text_zh, meaning.text_en),
                page.at(one.entry.recorded_us),
                Cell(page.words.of(QUARANTINE, one.entry.state), mark="attention" if one.entry.state in (OPEN, FAILING) else ""),
            )
        )
    return table("quarantine", columns, rows)


def _find(page: Page) -> tuple[Listed, list[str], int]:
    """Returns a quarantined event, the traces it came by and the head; raises PageUnknown or PageForbidden."""
    position = page.whole("position")
    with page.reading() as connection:
        head, found = head_position(connection), events_at(connection, [position])
        if not found or found[0].kind != "event_quarantined":
            raise PageUnknown(f"{position:,}")
        stream = stream_row(connection, found[0].stream_id)
        rows = listed(connection, Wanted(stream.name, sequence=found[0].sequence, most=1))
        parents = traces_at(connection, position) or []
    if not rows:
        raise PageUnknown(f"{position:,}")
    if not page.may_see(page.workings.province_of(rows[0].owner)):
        raise PageForbidden
    return rows[0], list(dict.fromkeys(parent[3:35] for parent in parents)), head


def quarantined(page: Page) -> Shown:
    """Shows one event: what it breaks, what to send, and what was sent, masked, once the look is recorded."""
    one, traces, head = _find(page)
    handle = f"quarantine-{one.position}"
    with opened(QuarantineDesk, page.workings.dsn, page.workings.keyring, page.workings.tables) as desk:
        found = desk.find(one.feed, one.entry.sequence)
        try:
            original = desk.original(found)
        except QuarantineOriginalTooLarge:
            original = None
        keys, issuer = desk.card_named(original)
        card = card_by_key(issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, keys[0]) if keys else None
        recorded_at = page.look(handle, card, ShownRecord.SHOWN_RECORD_QUARANTINED, one.position)
        tables = page.workings.tables
        words = frozenset(("50", "51")) | tables.scenario_codes | frozenset(tables.regions) | frozenset(desk.feeds())
    sent = table(
        "sent",
        (Column("field", "字段", "Field", "code"), Column("value", "内容（标识打码）", "Content, identifiers masked")),
        [(path, text) for path, text in masked(original, words)] if original is not None else [],
    )
    values = {
        "one": one,
        "kind": page.t(*kind_words(one.entry.declared_kind)),
        "owner": one.owner.removeprefix(PREFIX),
        "state": page.words.of(QUARANTINE, one.entry.state),
        "is_open": one.entry.state in (OPEN, FAILING),
        "recorded": page.at(one.entry.recorded_us),
        "evaluated": page.at(one.entry.evaluated_us),
        "is_erased": original is None,
        "looked_at": recorded_at,
        "may_evaluate": page.account.has(OPERATOR) and one.entry.state in (OPEN, FAILING),
        "outcome": page.query.get("outcome", "") if page.query.get("outcome", "") in QUARANTINE else "",
        "traces": traces,
        "token": page.session.token,
    }
    return Shown("quarantined", f"{one.feed}#{one.entry.sequence}", values, (_reasons(page, one), sent), head)


def _reasons(page: Page, one: Listed) -> Table:
    columns = (Column("field", "字段", "Field", "code"), Column("rule", "规则", "Rule", "code"), Column("send", "怎么改", "What to send"))
    rows = []
    for path, rule in one.violations or json.loads(one.entry.violations):
        meaning = meaning_of(rule, path)
        rows.append((path or "—", rule, page.t(meaning.text_zh, meaning.text_en)))
    return table("reasons", columns, rows)


def evaluate(page: Page) -> Moved:
    """Puts a quarantined event to the rules of now; what passes is released, once."""
    one, *_ = _find(page)
    with opened(QuarantineDesk, page.workings.dsn, page.workings.keyring, reference.load()) as desk:
        evaluated = desk.evaluate(one.feed, one.entry.sequence, page.account.name, datetime.now(UTC))
    return Moved(page.link(f"/quarantine/{one.position}", outcome="RELEASED" if evaluated.position else "FAILING"))
