"""The table of return reasons 退票原因: the local code, the external code of ISO 20022 beside it, and what the payer does next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain.reference.reading import Cells, read_table

TABLE = "fund_return_reasons.csv"
_COLUMNS = ("code", "name", "iso", "detail", "text_zh", "text_en", "source")
_CODE, _ISO = re.compile(r"[0-9]{2}"), re.compile(r"[A-Z]{2}[0-9]{2}")


@dataclass(frozen=True, slots=True)
class ReturnReason:
    """One reason. The local code is primary: three local ones are the same external one, and *detail* distinguishes these."""

    code: str
    name: str
    iso: str
    detail: str
    text_zh: str
    text_en: str
    source: str


def read_return_reasons(contents: Mapping[str, bytes]) -> dict[str, ReturnReason]:
    """Reads and checks the table, by name; raises InvalidReferenceTable unless it has each reason that an event may give once."""
    known = {f"{number:02}": name.removeprefix("FUND_RETURN_REASON_") for name, number in fund.FundReturnReason.items() if number}
    found: dict[str, ReturnReason] = {}
    seen: set[tuple[str, str]] = set()
    for cells, row in read_table(TABLE, contents[TABLE], _COLUMNS, _row):
        if known.get(row.code) != row.name:
            raise cells.refuse("name", "UNKNOWN")
        if row.name in found or (row.iso, row.detail) in seen:
            raise cells.refuse("code", "DUPLICATE")
        found[row.name] = row
        seen.add((row.iso, row.detail))
    if missing := sorted(set(known.values()) - found.keys()):
        raise Cells(TABLE, 0, {}).refuse("name", f"MISSING {' '.join(missing)}")
    return found


def _row(cells: Cells) -> ReturnReason:
    return ReturnReason(
        code=cells.matching("code", _CODE),
        name=cells.name("name"),
        iso=cells.matching("iso", _ISO),
        detail=cells.text("detail"),
        text_zh=cells.name("text_zh"),
        text_en=cells.name("text_en"),
        source=cells.name("source"),
    )
