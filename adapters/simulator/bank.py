"""An agent bank behind the bank's adapter: it answers the rows that it was sent, and drops its file whole into the adapter's inbox."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from adapters.bank.return_file import FileName, ReturnRow, encode_file

PAID = "00"


class SentRow(NamedTuple):
    """What the payer sent of a row."""

    row_no: int
    account: str
    name: str
    amount_fen: int


class SimulatedBank:
    """One bank; its serials go on from file to file."""

    def __init__(self, bank: str, inbox: Path) -> None:
        """*bank* has three digits; *inbox* is its adapter's."""
        self._bank, self._inbox, self._serial = bank, inbox, 0

    def answer(self, batch_no: str, rows: Iterable[SentRow], at: datetime, reasons: Mapping[int, str]) -> FileName:
        """Answers *rows* from a local instant on, each a second later: with its reason in *reasons* what comes back, the others as paid."""
        answered = []
        for offset, row in enumerate(rows):
            self._serial += 1
            reason = reasons.get(row.row_no, PAID)
            serial = f"{self._bank}{at:%Y%m%d}{self._serial:08d}"
            posted_at = (at + timedelta(seconds=offset)).replace(microsecond=0, tzinfo=None)
            answered.append(ReturnRow(*row, reason == PAID, reason, serial, posted_at))
        name = FileName(self._bank, batch_no, at.date())
        # Under another name until it is whole, as the format has it.
        written = self._inbox / f"{name.text}.tmp"
        written.write_bytes(encode_file(name, answered))
        written.rename(self._inbox / name.text)
        return name
