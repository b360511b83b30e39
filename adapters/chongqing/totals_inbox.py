"""Watches the directory into which Chongqing drops its totals, reports each file to the hub, and acknowledges it with how the books differ.

    <totals>/CQTK_TOT_….dat    dropped as .tmp and renamed
    <totals>/done/             reported, or refused: the acknowledgement says which

A file stays where it is while the hub does not answer: the totals of a version are recorded once, however often they are sent.

    A|fileName|count|sum|00                              taken
    A|fileName|lineNo|errCode|text                       refused as a whole
    C|state|uses|fen                                     01 compared, 02 waiting for a feed: what the hub has more in all
    X|issuing province|region|scenario|uses|fen          and in each cell that differs
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import grpc
from chuanyu.exchange.v1.reconciliation_pb2 import FeedReach
from chuanyu.exchange.v1.reconciliation_service_pb2 import Comparison, ComparisonState, SubmitControlTotalsRequest

from adapters.chongqing.errors import AckCode, FileRefused
from adapters.chongqing.totals_file import ENCODING, TotalsFile, is_totals_file_name, read_totals_file
from adapters.kit import FeedSender, HubConnection, HubUnreachable
from adapters.kit import Refusal as HubRefusal
from adapters.kit.inbox import is_regular
from adapters.kit.private_files import close_to_others, private_directory
from adapters.kit.totals import reached
from adapters.kit.values import where

LOOK_AGAIN_S: Final = 1.0
HUB_PATIENCE_S: Final = 30.0
_REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.PERMISSION_DENIED)
MAX_BYTES: Final = 4_000_000

log = logging.getLogger(__name__)


class TotalsInbox:
    """The directory of totals; used from one event loop."""

    def __init__(self, directory: Path, ack_dir: Path, connection: HubConnection, senders: Mapping[str, FeedSender]) -> None:
        """Makes the directories; *senders* are those of the feeds whose numbers the totals reach to."""
        self._directory, self._ack_dir, self._done = directory, ack_dir, directory / "done"
        self._connection, self._senders = connection, senders
        ack_dir.mkdir(parents=True, exist_ok=True)
        close_to_others(private_directory(self._done))

    async def run(self) -> None:
        """Takes files until cancelled."""
        while True:
            try:
                await self.take_all()
            except (HubUnreachable, HubRefusal, OSError) as error:
                log.warning("totals wait: %s", where(error))
            await asyncio.sleep(LOOK_AGAIN_S)

    async def take_all(self) -> None:
        """Takes every file that is there now, by name; raises HubUnreachable or Refusal where the hub cannot take one now."""
        for path in sorted(self._directory.glob("*.dat")):
            if is_regular(path) and is_totals_file_name(path.name):
                await self._take(path)

    async def _take(self, path: Path) -> None:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise FileRefused(AckCode.TOTALS, "文件过大")
            file = read_totals_file(path.read_bytes(), path.name)
            lines = [f"A|{path.name}|{len(file.totals)}|{file.fen}|{AckCode.ACCEPTED}", *_compared(await self._report(file))]
        except FileRefused as refusal:
            log.warning("file %s refused: %s %s", path.name, refusal.code, refusal.text)
            lines = [f"A|{path.name}|{refusal.line_no}|{refusal.code}|{refusal.text}"]
        written = self._ack_dir / f"{path.stem}_ACK.tmp"
        written.write_text("".join(f"{line}\r\n" for line in lines), encoding=ENCODING, newline="")
        written.replace(written.with_suffix(""))
        path.replace(self._done / path.name)

    async def _report(self, file: TotalsFile) -> Comparison:
        """Reports totals; raises FileRefused where the hub does not take them, now or later."""
        numbered = await reached(self._senders)
        through = [FeedReach(feed=feed, sequence=number) for feed, number in sorted(numbered.items()) if number]
        request = SubmitControlTotalsRequest(
            business_day=file.business_day, version=file.version, totals=file.totals, through=through, person=file.person
        )
        try:
            return (await self._connection.submit_totals(request, HUB_PATIENCE_S)).comparison
        except HubRefusal as refusal:
            if refusal.code in _REFUSED:
                raise FileRefused(AckCode.NOT_TAKEN, f"枢纽不接受（{refusal.reason}）") from refusal
            raise


def _compared(found: Comparison) -> list[str]:
    if found.state != ComparisonState.COMPARISON_STATE_COMPARED:
        return ["C|02||"]
    cells = [
        f"X|{one.issuer_province}|{one.service_region}|{one.scenario}"
        f"|{one.ours_now.uses - one.theirs.uses}|{one.ours_now.amount_fen - one.theirs.amount_fen}"
        for one in found.cells
    ]
    return [f"C|01|{found.difference.uses}|{found.difference.amount_fen}", *cells]
