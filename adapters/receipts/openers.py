"""Keys that open the digests of a feed's events, asked of the hub as they are needed; the hub records that it gave them."""

import grpc
from chuanyu.exchange.v1.feed_service_pb2 import GetBlockKeysRequest, GetBlockKeysResponse

from adapters.kit import AdapterError, HubConnection
from adapters.kit.comparing import Openers
from adapters.kit.proofs import Says
from adapters.kit.refusal import from_call

_BLOCKS, _BLOCK_BITS = 64, 8
_TIMEOUT_S = 10.0
_PURPOSE = "AUDIT"


class KeysRefused(AdapterError):
    """The hub does not give the keys that open digests."""


class HubOpeners:
    """Used from one event loop."""

    def __init__(self, connection: HubConnection) -> None:
        """*connection* is of the feeds' owner."""
        self._connection = connection
        self._known: dict[str, Openers] = {}

    async def of(self, says: Says) -> Openers:
        """Returns what opens the numbers of a receipt; raises KeysRefused."""
        known = self._known.setdefault(says.feed, Openers({}, 0))
        blocks = range(says.first >> _BLOCK_BITS, (says.last >> _BLOCK_BITS) + 1)
        if any(block not in known.keys for block in blocks):
            answer = await self._ask(says.feed, blocks[0])
            known.keys.update({key.block: key.key for key in answer.keys})
            known = self._known[says.feed] = Openers(known.keys, answer.opened_after)
            if any(block not in known.keys for block in blocks):
                raise KeysRefused(f"{says.feed} {says.first}-{says.last}")
        return known

    async def _ask(self, feed: str, block: int) -> GetBlockKeysResponse:
        first, last = block << _BLOCK_BITS, ((block + _BLOCKS) << _BLOCK_BITS) - 1
        request = GetBlockKeysRequest(feed=feed, first_sequence=max(first, 1), last_sequence=last, purpose_code=_PURPOSE)
        try:
            answer: GetBlockKeysResponse = await self._connection.edge.feeds.GetBlockKeys(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise KeysRefused(str(from_call(error))) from error
        return answer

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()
