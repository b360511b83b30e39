"""The lines of a statement from the changes between two positions, what each side owes by them, and the digest of the whole."""

import hashlib
from collections.abc import Iterable, Mapping

from chuanyu.exchange.v1 import settlements_pb2 as protos

from hub.domain.reference.settlement_rows import Scheme
from hub.domain.usage import UsageCell

SIDES = ("50", "51")
FORMAT = "chuanyu-statement/1"


def is_settled(cell: UsageCell, scheme: Scheme) -> bool:
    """Whether uses of a cell belong to a scheme: across the border, and in one of its scenarios."""
    sides = cell.issuer, cell.region[:2]
    return sides in (SIDES, SIDES[::-1]) and scheme.has(cell.scenario)


def lines_of(changed: Mapping[UsageCell, tuple[int, int]], scheme: Scheme) -> list[protos.StatementLine]:
    """Returns a line for each cell of a scheme that changed, in order of day, issuer, region and scenario."""
    return [
        protos.StatementLine(
            business_day=cell.day, issuer_province=cell.issuer, service_region=cell.region, scenario=cell.scenario,
            uses=uses, amount_fen=fen, payer_province=scheme.payer_of(cell.issuer, cell.region),
        )
        for cell, (uses, fen) in sorted(changed.items())
        if (uses, fen) != (0, 0) and is_settled(cell, scheme)
    ]  # fmt: skip


def owed_fen(lines: Iterable[protos.StatementLine], side: str) -> int:
    """Returns what a side owes by the lines, in fen; below zero where more was taken back than came."""
    return sum(line.amount_fen for line in lines if line.payer_province == side)


def net_fen(issued: protos.StatementIssued, payer: str = "50") -> int:
    """Returns what a side pays the other in all, in fen; below zero where it is paid. net(50 → 51) = −net(51 → 50)."""
    net = issued.owed_by_50_fen - issued.owed_by_51_fen
    return net if payer == "50" else -net


def text_of(issued: protos.StatementIssued) -> str:
    """Returns a statement as text, which its digest is of: a head, then a line for each line."""
    route = protos.SettlementRoute.Name(issued.route).removeprefix("SETTLEMENT_ROUTE_")
    head = (
        FORMAT, issued.statement_code, issued.scheme, route, issued.business_day,
        f"{issued.after_position} {issued.cut_position}", f"{issued.owed_by_50_fen} {issued.owed_by_51_fen}",
    )  # fmt: skip
    rows = (
        f"{one.business_day} {one.issuer_province} {one.service_region} {one.scenario} "
        f"{one.uses} {one.amount_fen} {one.payer_province or '-'}"
        for one in issued.lines
    )
    return "".join(f"{line}\n" for line in (*head, *rows))


def digest_of(issued: protos.StatementIssued) -> bytes:
    """Returns the SHA-256 of a statement as text."""
    return hashlib.sha256(text_of(issued).encode()).digest()
