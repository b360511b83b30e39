"""How far a province's feeds were numbered when its totals came: what it has sent reaches so far."""

import asyncio
from collections.abc import Mapping

from adapters.kit.sender import FeedSender


async def reached(senders: Mapping[str, FeedSender]) -> dict[str, int]:
    """Returns the number that was given last in each feed, 0 before the first."""
    found = {}
    for feed, sender in senders.items():
        status = await asyncio.to_thread(sender.status)
        found[feed] = int(str(status["next_sequence"])) - 1
    return found
