"""HotlistService: published snapshots in pieces, and the deltas that lead from an epoch to the newest."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import psycopg
from chuanyu.exchange.v1 import hotlist_service_pb2 as protos

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, server_streaming, service
from hub.api.edge.turns import Reads
from hub.domain.errors import HotlistEpochOld, HotlistEpochUnknown, HotlistUnpublished, HubError
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid, timestamp_of
from hub.journal.hotlist_files import HotlistEntry, find_data, find_entry, latest_epoch

Result = TypeVar("Result")

PIECE_BYTES = 1 << 20
LOOK_AGAIN_S = 0.5


class HotlistService:
    """Reads only: `hub hotlist build` publishes."""

    def __init__(self, dsn: str, refused: Callable[[], HubError | None] = lambda: None) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *refused* says why nothing is read now, if so."""
        self._reads = Reads(dsn, "hub_reader", "hub-hotlist", refused=refused)
        self._stopping, self._looking = asyncio.Event(), asyncio.Lock()
        self._latest, self._looked_at = 0, 0.0

    def stop(self) -> None:
        """Ends the streams that wait for the next epoch: their callers go on at another edge."""
        self._stopping.set()

    def close(self) -> None:
        """Closes what was opened; the streams have ended."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.HotlistService",
            {
                "GetHotlist": server_streaming(gate, reader(protos.GetHotlistRequest), self.get_hotlist),
                "StreamHotlistDeltas": server_streaming(gate, reader(protos.StreamHotlistDeltasRequest), self.stream_deltas),
            },
        )

    async def get_hotlist(self, request: protos.GetHotlistRequest, caller: Caller) -> AsyncIterator[protos.GetHotlistResponse]:
        """Gives a snapshot, what it is first."""
        refuse_invalid(request)
        entry, latest, data = await self._read(caller.urn, lambda connection: _snapshot(connection, request.epoch))
        for start in range(0, len(data), PIECE_BYTES):
            piece = protos.GetHotlistResponse(chunk=data[start : start + PIECE_BYTES])
            if start == 0:
                piece.file.CopyFrom(_file(entry, latest))
            yield piece

    async def stream_deltas(
        self, request: protos.StreamHotlistDeltasRequest, caller: Caller
    ) -> AsyncIterator[protos.StreamHotlistDeltasResponse]:
        """Gives the deltas after an epoch one by one; a newer snapshot ends the stream with HotlistEpochOld."""
        refuse_invalid(request)
        held = request.from_epoch
        while not self._stopping.is_set():
            caller.may_call()
            after = held
            found = await self._read(caller.urn, lambda connection, after=after: _next_delta(connection, after))  # type: ignore[misc]
            if found is not None:
                entry, latest, data = found
                yield protos.StreamHotlistDeltasResponse(file=_file(entry, latest), delta=data)
                held = entry.epoch
            elif not request.follow:
                return
            else:
                await self._published_beyond(held)

    async def _published_beyond(self, epoch: int) -> None:
        """Returns once a newer epoch is published, or the hub stops; all who wait share one look each LOOK_AGAIN_S."""
        while not self._stopping.is_set():
            async with self._looking:
                if time.monotonic() - self._looked_at >= LOOK_AGAIN_S:
                    self._latest = await self._read("", latest_epoch)
                    self._looked_at = time.monotonic()
            if self._latest > epoch:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_AGAIN_S)

    async def _read(self, whose: str, read: Callable[[psycopg.Connection], Result]) -> Result:
        result: Result = await self._reads.read(whose, read)
        return result


def _snapshot(connection: psycopg.Connection, epoch: int) -> tuple[HotlistEntry, int, bytes]:
    latest = latest_epoch(connection)
    asked = find_entry(connection, min(epoch, latest + 1) or latest)
    entry = None if asked is None else find_entry(connection, asked.base_epoch)
    data = None if entry is None else find_data(connection, entry.epoch)
    if entry is None or data is None:
        raise (HotlistEpochUnknown if latest else HotlistUnpublished)(latest_epoch=latest)
    return entry, latest, data


def _next_delta(connection: psycopg.Connection, held: int) -> tuple[HotlistEntry, int, bytes] | None:
    """Returns the delta after an epoch, None if that is the newest; raises HotlistEpochUnknown or HotlistEpochOld."""
    latest = latest_epoch(connection)
    newest = find_entry(connection, latest)
    if newest is None or held > latest:
        raise (HotlistEpochUnknown if latest else HotlistUnpublished)(latest_epoch=latest)
    entry = find_entry(connection, held)
    if entry is None or entry.base_epoch != newest.base_epoch:
        raise HotlistEpochOld(snapshot_epoch=newest.base_epoch)
    if held == latest:
        return None
    following = find_entry(connection, held + 1)
    data = None if following is None else find_data(connection, held + 1)
    if following is None or data is None:
        raise HotlistEpochOld(snapshot_epoch=newest.base_epoch)
    return following, latest, data


def _file(entry: HotlistEntry, latest: int) -> protos.HotlistFile:
    return protos.HotlistFile(
        epoch=entry.epoch,
        base_epoch=entry.base_epoch,
        as_of_position=entry.position,
        made_at=timestamp_of(entry.made_us),
        listed_count=entry.listed,
        size_bytes=entry.size_bytes,
        digest=entry.digest,
        latest_epoch=latest,
    )
