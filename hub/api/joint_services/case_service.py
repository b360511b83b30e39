"""CaseService: the cases of both sides as they are, as they were known at a position, and as they change."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from chuanyu.exchange.v1 import case_service_pb2 as protos
from google.protobuf.message import Message

from hub.admin.cases import changed_cases, get_case, get_timeline, list_cases
from hub.admin.snapshots import Asked
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, server_streaming, service, unary
from hub.api.edge.seats import Seats
from hub.api.edge.turns import Reads
from hub.api.joint_services.catalogues import Catalogues
from hub.domain.errors import HubError, RoleMissing, ViewBehind
from hub.domain.instants import local_day
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.reference import Reference
from hub.intake.message_reader import reader
from hub.intake.request_rules import now_us, refuse_invalid
from hub.journal.head_watcher import HeadWatcher

SCENARIO = "GOV.CASE"
# What a reader must be allowed to read; the kinds of a case are read so by subscription, too.
READ_AS = "USES"
WATCHES = 64
PROGRESS_EVERY_S = 1.0
# The views that no answer to a question rests on follow five times a second.
FOLLOW_EVERY_S = 0.2

Answer = TypeVar("Answer", bound=Message)


class CaseService:
    """Reads only: what changes a case is an event of a feed."""

    def __init__(self, dsn: str, reference: Reference, refused: Callable[[], HubError | None] = lambda: None) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *refused* says why nothing is read now."""
        self._reads = Reads(dsn, "hub_reader", "hub-cases", refused=refused)
        self._catalogues = Catalogues(self._reads, reference)
        self._watcher = HeadWatcher(dsn)
        self._seats = Seats(WATCHES)
        self._is_stopping = False

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.CaseService",
            {
                "GetCase": unary(gate, reader(protos.GetCaseRequest), self.get_case),
                "ListCases": unary(gate, reader(protos.ListCasesRequest), self.list_cases),
                "GetCaseTimeline": unary(gate, reader(protos.GetCaseTimelineRequest), self.get_timeline),
                "WatchCases": server_streaming(gate, reader(protos.WatchCasesRequest), self.watch_cases),
            },
        )

    async def get_case(self, request: protos.GetCaseRequest, caller: Caller) -> protos.GetCaseResponse:
        """Gives one case; raises CaseNotFound, NotPermitted, RoleMissing, RequestInvalid or ViewBehind."""
        return await self._answered(request, caller, get_case, await self._catalogues.current(caller.urn), request)

    async def list_cases(self, request: protos.ListCasesRequest, caller: Caller) -> protos.ListCasesResponse:
        """Gives a page of cases; raises RoleMissing, RequestInvalid or ViewBehind."""
        return await self._answered(request, caller, list_cases, await self._catalogues.current(caller.urn), request)

    async def get_timeline(self, request: protos.GetCaseTimelineRequest, caller: Caller) -> protos.GetCaseTimelineResponse:
        """Gives what was reported of a case; raises CaseNotFound, NotPermitted, RoleMissing, RequestInvalid or ViewBehind."""
        return await self._answered(request, caller, get_timeline, request)

    async def watch_cases(self, request: protos.WatchCasesRequest, caller: Caller) -> AsyncIterator[protos.WatchCasesResponse]:
        """Sends cases as they change; raises CursorAhead, QueueFull, RoleMissing or RequestInvalid."""
        refuse_invalid(request)
        require_reader(caller)
        with self._seats.taken(caller.urn):
            async for response in self._follow(request, caller):
                yield response

    async def _follow(self, request: protos.WatchCasesRequest, caller: Caller) -> AsyncIterator[protos.WatchCasesResponse]:
        position, said_at = request.from_position, 0.0
        while not self._is_stopping:
            caller.may_call()
            require_reader(caller)
            *changed, reached = await self._changed(request, caller, position)
            for response in changed:
                yield response
            is_behind = reached.position > position
            position = reached.position
            if changed or time.monotonic() - said_at >= PROGRESS_EVERY_S:
                yield reached
                said_at = time.monotonic()
            if not is_behind:
                await self._watcher.beyond(position, said_at + PROGRESS_EVERY_S - time.monotonic())
                await asyncio.sleep(FOLLOW_EVERY_S)

    async def _changed(self, request: protos.WatchCasesRequest, caller: Caller, after: int) -> list[protos.WatchCasesResponse]:
        catalogue: Catalogue = await self._catalogues.current(caller.urn)
        try:
            return await self._reads.read(caller.urn, changed_cases, catalogue, request, after, _asked(caller))  # type: ignore[no-any-return]
        except ViewBehind:
            # No view has been made yet.
            return [protos.WatchCasesResponse(position=after)]

    async def _answered(self, request: Message, caller: Caller, question: Callable[..., Answer], *about: Any) -> Answer:
        refuse_invalid(request)
        require_reader(caller)

        async def ask() -> Answer:
            return await self._reads.read(caller.urn, question, *about, _asked(caller))  # type: ignore[no-any-return]

        return await when_seen(ask)

    def release(self) -> None:
        """Ends every stream with OK: its reader goes on at another edge."""
        self._is_stopping = True
        self._watcher.wake()

    async def stop(self) -> None:
        """Closes what was opened; the streams have ended."""
        await self._watcher.stop()
        self._reads.close()


def require_reader(caller: Caller) -> None:
    """Raises RoleMissing unless the caller is a service point of cases, or reads what is reported of them."""
    rights = caller.rights
    if READ_AS in rights.reads or ("SERVICE_POINT" in rights.roles and rights.serves_scenario(SCENARIO)):
        return
    raise RoleMissing(role="SERVICE_POINT", scope="scenarios")


def _asked(caller: Caller) -> Asked:
    return Asked(caller.province, local_day(now_us()))
