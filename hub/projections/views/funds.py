"""Views: each row of a fund batch with all that was reported of it, and the sums of its batch; the batches; and which account gave way.

A row is known by the province that pays, its batch and its number. Its columns follow from its reports alone (`hub.domain.funds`): what
depends on the day is found when it is asked for.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from hub.domain.business_keys import card_key, key_digest
from hub.domain.funds.batches import BATCH_KINDS, cells_of
from hub.domain.funds.rows import RECOVERED, RETURNED, ROW_ORDER, SENT, RowFold, Said, fold_row
from hub.domain.records.payments import REPOINTED
from hub.journal.reader import Recorded
from hub.projections.projection import Cells, Key, Projection, Row, Signed
from hub.projections.views.reports import reports_view

ROW_KINDS = frozenset(ROW_ORDER)
_GIVES_BACK = frozenset({RETURNED, RECOVERED})
_KINDS = tuple(ROW_ORDER)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class FundRow(NamedTuple):
    """A row: which one it is, who is paid, and the reports in the order of their positions.

    *awaits* are positions of returns and recoveries that name by its number a report which had not come.
    """

    province: str
    batch_no: str
    row_no: int
    card: bytes
    holder: bytes
    reports: tuple[Said, ...]
    awaits: tuple[int, ...] = ()


def batch_name(province: str, batch_no: str) -> str:
    """Returns under which name the reports of a batch are."""
    return f"{province}/{batch_no}"


def _key(recorded: Recorded) -> Key | None:
    if recorded.kind not in ROW_KINDS:
        return None
    message = getattr(recorded.event, recorded.kind)
    return (key_digest((recorded.event.service_region[:2], message.batch_no, message.row_no)),)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the rows of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and (key := about.derived(_key)) is not None:
            yield key


def _said(recorded: Recorded) -> Said:
    message = getattr(recorded.event, recorded.kind)
    return Said(
        recorded.kind,
        recorded.occurred_us,
        recorded.position,
        message.amount_fen,
        message.account.key.hex() if hasattr(message, "account") else "",
        getattr(message, "bank_serial", ""),
        getattr(message, "reason", 0),
        getattr(message, "attempt", 0),
    )


def evolve(key: Key, row: FundRow | None, recorded: Recorded, corrected: Recorded | None) -> FundRow | None:
    """Takes out what is in force no more and adds what is now; a return that names what it gives back of leaves that in force."""
    event = recorded.event
    is_own = recorded.derived(_key) == key
    gives = recorded.kind in _GIVES_BACK and event.HasField("reverses") and (corrected is None or corrected.kind not in _GIVES_BACK)
    if row is not None and corrected is not None and not gives:
        left = tuple(one for one in row.reports if one.position != corrected.position)
        row = row._replace(reports=left, awaits=tuple(one for one in row.awaits if one != corrected.position))
    # What comes after the return that names it is there to be given back of.
    was_awaited = recorded.is_reversal and not event.HasField("reverses") and row is not None and bool(row.awaits)
    if is_own and (gives or was_awaited or not recorded.is_reversal):
        row = _added(row, recorded, awaits=gives and corrected is None)
    return row if row is not None and row.reports else None


def _added(row: FundRow | None, recorded: Recorded, *, awaits: bool) -> FundRow:
    event = recorded.event
    if row is None:
        message = getattr(event, recorded.kind)
        row = FundRow(event.service_region[:2], message.batch_no, message.row_no, b"", b"", ())
    if any(one.position == recorded.position for one in row.reports):
        return row
    reports = tuple(sorted([*row.reports, _said(recorded)], key=lambda one: one.position))
    waiting = (*row.awaits, recorded.position) if awaits else row.awaits
    card, holder = card_key(event), event.holder.key
    if recorded.kind != SENT:
        # Who was to be paid is said by the row that was sent; the bank's answer says it only where nobody else did.
        card, holder = row.card or card, row.holder or holder
    return row._replace(card=card or row.card, holder=holder or row.holder, reports=reports, awaits=waiting)


@lru_cache(4096)
def _folded(reports: tuple[Said, ...]) -> RowFold:
    return fold_row(reports)


def decode(row: Row) -> FundRow:
    """Reads a row; the columns that follow from the reports are not read."""
    province, batch_no, row_no, card, holder, _, _, _, _, reports = row
    return FundRow(province, batch_no, row_no, bytes(card), bytes(holder), *_unpacked(reports))


def encode(row: FundRow) -> Row:
    """Writes a row."""
    folded = _folded(row.reports)
    codes = " ".join(sorted({one.code for one in folded.findings}))
    last_us = max(one.occurred_us for one in row.reports)
    return *row[:5], folded.state, folded.reason, codes, last_us, _packed(row)


def _packed(row: FundRow) -> str:
    return _encode([[[_KINDS.index(one.kind), *one[1:]] for one in row.reports], row.awaits])


def _unpacked(text: str) -> tuple[tuple[Said, ...], tuple[int, ...]]:
    reports, awaits = json.loads(text)
    return tuple(Said(_KINDS[kind], *rest) for kind, *rest in reports), tuple(awaits)


def reports_in(text: str) -> tuple[Said, ...]:
    """Reads the reports of a row from its column."""
    return _unpacked(text)[0]


def _moved(_: Recorded, before: FundRow | None, after: FundRow | None) -> Iterable[Signed]:
    """Says by how much a change of a row moves the sums of its batch."""
    for row, sign in ((before, -1), (after, 1)):
        if row is not None:
            for cell, (rows, fen) in cells_of(_folded(row.reports)).items():
                yield (row.province, row.batch_no, *cell), (sign * rows, sign * fen)


FUND_ROWS = Projection(
    name="fund_row",
    key_columns=(("key", "bytea"),),
    value_columns=(
        ("province", "text"),
        ("batch_no", "text"),
        ("row_no", "bigint"),
        ("card", "bytea"),
        ("holder", "bytea"),
        ("state", "text"),
        ("reason", "text"),
        ("findings", "text"),
        ("last_us", "bigint"),
        ("reports", "text"),
    ),
    kinds=ROW_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    indexes=(
        "province, batch_no, row_no",
        "province, batch_no, state, row_no WHERE state <> 'PAID' OR findings <> ''",
        "province, batch_no, last_us",
    ),
    cells=Cells(
        key_columns=(("province", "text"), ("batch_no", "text"), ("round", "bigint"), ("what", "text"), ("detail", "text")),
        value_columns=(("rows", "bigint"), ("amount_fen", "bigint")),
        of=_moved,
        tables={"fund_batch_sums": {"province": 0, "batch_no": 1, "round": 2, "what": 3, "detail": 4}},
    ),
)


def _batch(recorded: Recorded) -> tuple[str, str]:
    return batch_name(recorded.event.service_region[:2], getattr(recorded.event, recorded.kind).batch_no), ""


def _accounts(recorded: Recorded) -> tuple[str, str]:
    message = recorded.event.fund_account_repointed
    return message.from_account.key.hex(), message.to_account.key.hex()


FUND_BATCHES = reports_view("fund_batch", BATCH_KINDS, _batch)
FUND_ACCOUNTS = reports_view("fund_account", {REPOINTED}, _accounts, ("also WHERE also <> ''", "position"))
