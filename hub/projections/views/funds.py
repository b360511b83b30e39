"""Views: each row of a fund batch with all that was reported of it, and the sums of its batch; the batches; and which account gave way.

A row is known by the province that pays, its batch and its number. Its columns follow from its reports alone (`hub.domain.funds`): what
depends on the day is found when it is asked for.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from chuanyu.exchange.v1 import event_pb2

from hub.domain.business_keys import key_digest
from hub.domain.funds.attempts import GIVES_BACK, ROW_ORDER, SENT, Said
from hub.domain.funds.batches import BATCH_KINDS, cells_of_plain
from hub.domain.funds.short_way import Result, result_of
from hub.domain.records.payments import REPOINTED
from hub.domain.tellings import number_text
from hub.journal.reader import Recorded
from hub.projections.projection import Cells, Key, Projection, Row, Signed
from hub.projections.views.chains import kept, named
from hub.projections.views.fund_row_state import FundRow, read, said_text
from hub.projections.views.reports import reports_view

ROW_KINDS = frozenset(ROW_ORDER)
# Enough that no two batches have the same.
_BATCH_BYTES = 16


def batch_name(province: str, batch_no: str) -> str:
    """Returns under which name the reports of a batch are."""
    return f"{province}/{batch_no}"


def row_key(province: str, batch_no: str, row_no: int) -> Key:
    """Returns the key of a row: rows of a batch are beside each other in every index, as they come."""
    return (_batch_key(province, batch_no) + row_no.to_bytes(8, "big", signed=True),)


@lru_cache(1_024)
def _batch_key(province: str, batch_no: str) -> bytes:
    return key_digest((province, batch_no))[:_BATCH_BYTES]


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


def said_of(recorded: Recorded) -> Said:
    """Returns what a row keeps of an event."""
    event, kind = recorded.event, recorded.kind
    message, has, position = getattr(event, kind), _FIELDS[kind], recorded.position
    account = message.account.key.hex() if "account" in has else ""
    serial = message.bank_serial if "bank_serial" in has else ""
    reason = message.reason if "reason" in has else 0
    attempt = message.attempt if "attempt" in has else 0
    changed_at = position if event.HasField("corrects") else 0
    told = Said(kind, recorded.occurred_us, position, message.amount_fen, account, serial, reason, attempt, changed_at)
    if kind not in GIVES_BACK:
        return told
    is_reversal = event.HasField("reverses")
    return told._replace(
        undone_at=position if is_reversal else 0,
        name=number_text((recorded.stream_id, recorded.sequence)),
        reverses=number_text(recorded.refers_to) if is_reversal and recorded.refers_to is not None else "",
    )


# Which fields the message of a kind has: to ask a message for one that it has not costs more than to read one.
_FIELDS = {kind: frozenset(getattr(event_pb2.Event(), kind).DESCRIPTOR.fields_by_name) for kind in ROW_KINDS}


def evolve(key: Key, row: FundRow | None, recorded: Recorded, corrected: Recorded | None) -> FundRow | None:
    """Takes out what is in force no more and adds what is now; a return that names what it gives back of leaves that in force."""
    is_own = recorded.derived(_key) == key
    if row is None:
        if not is_own:
            return None
        row = recorded.derived(_nothing)
    before, gone = row.told
    if is_own and corrected is None and not recorded.is_reversal and not gone and (not before or recorded.position > before[-1].position):
        # Nearly every event: it takes nothing out, and nothing was taken out before.
        return row.with_one(recorded.derived(said_of), recorded.derived(_said_text), *_paid_to(row, recorded))
    reports = tuple(sorted(kept(before, recorded, corrected, _kept, is_own=is_own), key=lambda one: one.position))
    positions = {one.position for one in reports}
    events = {one.position for one in before} | {*gone} | ({recorded.position} if is_own else set())
    gone = tuple(sorted(events - positions))
    card, holder = _paid_to(row, recorded) if recorded.position in positions else (row.card, row.holder)
    return FundRow(row.province, row.batch_no, row.row_no, card, holder, (reports, gone))


def _nothing(recorded: Recorded) -> FundRow:
    """Returns the row of an event before anything was reported of it."""
    message = getattr(recorded.event, recorded.kind)
    return FundRow(recorded.event.service_region[:2], message.batch_no, message.row_no, b"", b"", ((), ()))


def _said_text(recorded: Recorded) -> str:
    return said_text(recorded.derived(said_of))


def _paid_to(row: FundRow, recorded: Recorded) -> tuple[bytes, bytes]:
    """Returns the card and the holder of a row of which an event is a report."""
    # Who was to be paid is said by the row that was sent; the bank's answer says it only where nobody else did.
    card, holder = recorded.card, recorded.event.holder.key
    return (card or row.card, holder or row.holder) if recorded.kind == SENT else (row.card or card, row.holder or holder)


def _kept(recorded: Recorded, _: Said | None) -> Said:
    return recorded.derived(said_of)


def encode(row: FundRow) -> Row:
    """Writes a row."""
    return row.written


def _moved(_: Recorded, before: FundRow | None, after: FundRow | None) -> Iterable[Signed]:
    """Says by how much a change of a row moves the sums of its batch."""
    if after is not None and (plain := after.plain) is not None and (before is None or before.plain is not None):
        was, fen = before.plain if before is not None else None, plain[0].fen
        if was is None or was[0].fen == fen:
            moves = _moves(after.province, after.batch_no, None if was is None else result_of(was), result_of(plain))
            return [(key, (sign, sign * fen)) for key, sign in moves]
    return _moved_at_length(before, after)


@lru_cache(1_024)
def _moves(province: str, batch_no: str, was: Result | None, now: Result) -> list[tuple[Key, int]]:
    """Returns to which sums of its batch a plain row is added, and from which it is taken."""
    taken = () if was is None else cells_of_plain(*was)
    added = cells_of_plain(*now)
    signed = [(cell, -1) for cell in taken if cell not in added] + [(cell, 1) for cell in added if cell not in taken]
    return [((province, batch_no, *cell), sign) for cell, sign in signed]


def _moved_at_length(before: FundRow | None, after: FundRow | None) -> Iterator[Signed]:
    was, now = (row.sums if row is not None else {} for row in (before, after))
    row = after or before
    for cells, others, sign in ((was, now, -1), (now, was, 1)):
        for cell, (rows, fen) in cells.items():
            # What both have moves nothing.
            if row is not None and others.get(cell) != (rows, fen):
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
    decode=read,
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
