"""SubscriptionService: sends a province what concerns it, in order of position, from a cursor on and then as it is recorded."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from chuanyu.exchange.v1 import subscription_service_pb2 as protos

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, server_streaming, service
from hub.api.edge.seats import Seats
from hub.api.subscriptions.pages import PAGE_POSITIONS, SubscriptionPages, is_backlog
from hub.domain.disclosure import Reader, may_ask_for
from hub.domain.errors import HubError, NotPermitted, RequestInvalid, RoleMissing
from hub.domain.event_rules import KIND_NUMBERS
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid
from hub.journal.head_watcher import HeadWatcher
from hub.trust.keyring import Keyring

SUBSCRIPTIONS = 256
PROGRESS_EVERY_S = 1.0
# Of what was, so many events are sent before questions that are under way go first.
EVENTS_AT_ONCE = 16


class SubscriptionService:
    """Needs the journal's pages and someone who watches the head."""

    def __init__(self, dsn: str, keyring: Keyring, refused: Callable[[], HubError | None] = lambda: None) -> None:
        """*dsn* names a login that may read the journal, *keyring* opens what is disclosed, *refused* says why nothing is read now."""
        self._pages = SubscriptionPages(dsn, keyring, refused)
        self._watcher = HeadWatcher(dsn)
        self._seats = Seats(SUBSCRIPTIONS)
        self._is_stopping = False

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.SubscriptionService",
            {"Subscribe": server_streaming(gate, reader(protos.SubscribeRequest), self.subscribe)},
        )

    async def subscribe(self, request: protos.SubscribeRequest, caller: Caller) -> AsyncIterator[protos.SubscribeResponse]:
        """Streams what concerns the caller's province; HTTP/2 flow control holds it back where the caller does not read."""
        refuse_invalid(request)
        if unknown := [index for index, kind in enumerate(request.kinds) if kind not in KIND_NUMBERS]:
            raise RequestInvalid([(f"kinds[{index}]", "unknown_kind") for index in unknown])
        if beyond := [kind for kind in request.kinds if not may_ask_for(kind, caller.rights)]:
            raise RoleMissing(f"kinds: {', '.join(beyond)}", role="READER", scope="reads")
        if not caller.province:
            raise NotPermitted("only a province subscribes")
        with self._seats.taken(caller.urn):
            async for response in self._follow(request, caller):
                yield response

    async def _follow(self, request: protos.SubscribeRequest, caller: Caller) -> AsyncIterator[protos.SubscribeResponse]:
        position, kinds = request.from_position, list(request.kinds)
        head = await self._pages.check_cursor(caller.urn, position)
        yield _progress(position, head)
        said_at = time.monotonic()
        while not self._is_stopping:
            # The stream goes on for days, and follows the roles of its reader.
            caller.may_call()
            reads_what_was = is_backlog(position, head)
            if reads_what_was and (wait_s := caller.allowance.backlog.wait_s(PAGE_POSITIONS)) > 0:
                await asyncio.sleep(min(wait_s, PROGRESS_EVERY_S))
            else:
                page = await self._pages.read(position, kinds, Reader(caller.urn, caller.rights), head)
                for number, delivered in enumerate(page.delivered):
                    if reads_what_was and number % EVENTS_AT_ONCE == 0:
                        await caller.allowance.questions.answered()
                    yield protos.SubscribeResponse(delivered=delivered)
                position, head = page.through, page.head
            now = time.monotonic()
            if now - said_at >= PROGRESS_EVERY_S:
                yield _progress(position, head)
                said_at = now
            if position >= head:
                await self._watcher.beyond(position, said_at + PROGRESS_EVERY_S - time.monotonic())

    def release(self) -> None:
        """Ends every stream with OK as soon as its page is through: the reader goes on at another edge."""
        self._is_stopping = True
        self._watcher.wake()

    async def stop(self) -> None:
        """Closes what was opened; the streams have ended."""
        await self._watcher.stop()
        self._pages.close()


def _progress(position: int, head: int) -> protos.SubscribeResponse:
    return protos.SubscribeResponse(progress=protos.SubscriptionProgress(position=position, head_position=head))
