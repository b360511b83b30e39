"""Views: each row of a fund batch with all that was reported of it, and the sums of its batch; the batches; and which account gave way.

A row is known by the province that pays, its batch and its number. Its columns follow from its reports alone (`hub.domain.funds`): what
depends on the day is found when it is asked for.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from hub.domain.business_keys import card_key, key_digest
from hub.domain.funds.attempts import GIVES_BACK, ROW_ORDER, SENT, Said
from hub.domain.funds.batches import BATCH_KINDS, cells_of
from hub.domain.funds.rows import RowFold, fold_row
from hub.domain.records.payments import REPOINTED
from hub.domain.tellings import number_text
from hub.journal.reader import Recorded
from hub.projections.projection import Cells, Key, Projection, Row, Signed
from hub.projections.views.chains import kept, named
from hub.projections.views.reports import reports_view

ROW_KINDS = frozenset(ROW_ORDER)
_KINDS = tuple(ROW_ORDER)
# The state of a row of which no report is in force any more.
NOT_IN_FORCE = ""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class FundRow(NamedTuple):
    """A row: which one it is, who is paid, and the reports in the order of their positions.

    *gone* are the positions of reports that are not in force: a row as it was known earlier has them.
    """

    province: str
    batch_no: str
    row_no: int
    card: bytes
    holder: bytes
    reports: tuple[Said, ...]
    gone: tuple[int, ...] = ()


def batch_name(province: str, batch_no: str) -> str:
    """Returns under which name the reports of a batch are."""
    return f"{province}/{batch_no}"


def row_key(province: str, batch_no: str, row_no: int) -> Key:
    """Returns the key of a row."""
    return (key_digest((province, batch_no, row_no)),)


def _key(recorded: Recorded) -> Key | None:
    if recorded.kind not in ROW_KINDS:
        return None
    message = getattr(recorded.event, recorded.kind)
    return row_key(recorded.event.service_region[:2], message.batch_no, message.row_no)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the rows of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and (key := about.derived(_key)) is not None:
            yield key


def _said(recorded: Recorded) -> Said:
    event, kind = recorded.event, recorded.kind
    message = getattr(event, kind)
    gives = kind in GIVES_BACK
    is_reversal = gives and event.HasField("reverses")
    return Said(
        kind,
        recorded.occurred_us,
        recorded.position,
        message.amount_fen,
        message.account.key.hex() if hasattr(message, "account") else "",
        getattr(message, "bank_serial", ""),
        getattr(message, "reason", 0),
        getattr(message, "attempt", 0),
        recorded.position if event.HasField("corrects") else 0,
        recorded.position if is_reversal else 0,
        number_text((recorded.stream_id, recorded.sequence)) if gives else "",
        number_text(recorded.refers_to) if is_reversal and recorded.refers_to is not None else "",
    )


def evolve(key: Key, row: FundRow | None, recorded: Recorded, corrected: Recorded | None) -> FundRow | None:
    """Takes out what is in force no more and adds what is now; a return that names what it gives back of leaves that in force."""
    event, is_own = recorded.event, recorded.derived(_key) == key
    if row is None:
        if not is_own:
            return None
        message = getattr(event, recorded.kind)
        row = FundRow(event.service_region[:2], message.batch_no, message.row_no, b"", b"", ())
    reports = tuple(sorted(kept(row.reports, recorded, corrected, _kept, is_own=is_own), key=lambda one: one.position))
    positions = {one.position for one in reports}
    events = {one.position for one in row.reports} | {*row.gone} | ({recorded.position} if is_own else set())
    card, holder = row.card, row.holder
    if recorded.position in positions:
        # Who was to be paid is said by the row that was sent; the bank's answer says it only where nobody else did.
        named_card, named_holder = card_key(event), event.holder.key
        is_said = recorded.kind == SENT
        card = (named_card or card) if is_said else (card or named_card)
        holder = (named_holder or holder) if is_said else (holder or named_holder)
    return row._replace(card=card, holder=holder, reports=reports, gone=tuple(sorted(events - positions)))


def _kept(recorded: Recorded, _: Said | None) -> Said:
    return _said(recorded)


def _folded(reports: tuple[Said, ...]) -> RowFold:
    # To look a row of two reports up would cost what it takes to fold it.
    return fold_row(reports) if len(reports) < 3 else _folded_once(reports)


_folded_once = lru_cache(4096)(fold_row)


def decode(row: Row) -> FundRow:
    """Reads a row; the columns that follow from the reports are not read."""
    province, batch_no, row_no, card, holder, _, _, _, _, reports = row
    return FundRow(province, batch_no, row_no, bytes(card), bytes(holder), *unpacked(reports))


def encode(row: FundRow) -> Row:
    """Writes a row."""
    folded = _folded(row.reports)
    codes = " ".join(sorted({one.code for one in folded.findings}))
    last_us = max((one.occurred_us for one in row.reports), default=0)
    return *row[:5], folded.state if row.reports else NOT_IN_FORCE, folded.reason, codes, last_us, packed(row)


def packed(row: FundRow) -> str:
    """Writes the reports of a row as its column has them."""
    return _encode([[_fields(one) for one in row.reports], row.gone])


def _fields(one: Said) -> list[object]:
    found: list[object] = [_KINDS.index(one.kind), *one[1:]]
    while not found[-1]:
        found.pop()
    return found


def unpacked(text: str) -> tuple[tuple[Said, ...], tuple[int, ...]]:
    """Reads the reports of a row from its column, and where those are that are not in force."""
    reports, gone = json.loads(text)
    return tuple(Said(_KINDS[kind], *rest) for kind, *rest in reports), tuple(gone)


def reports_in(text: str) -> tuple[Said, ...]:
    """Reads the reports of a row from its column."""
    return unpacked(text)[0]


def positions_in(text: str) -> list[int]:
    """Reads from its column where everything is that was ever reported of a row."""
    reports, gone = unpacked(text)
    return [*(one.position for one in reports), *gone]


def _moved(_: Recorded, before: FundRow | None, after: FundRow | None) -> Iterable[Signed]:
    """Says by how much a change of a row moves the sums of its batch."""
    was, now = (cells_of(_folded(row.reports)) if row is not None and row.reports else {} for row in (before, after))
    row = after or before
    if row is None:
        return
    for cells, others, sign in ((was, now, -1), (now, was, 1)):
        for cell, (rows, fen) in cells.items():
            # What both have moves nothing.
            if others.get(cell) != (rows, fen):
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
    refers=dict.fromkeys(ROW_KINDS, named),
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
