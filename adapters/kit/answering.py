"""What the adapters of both provinces do alike with a native call: how long the hub may take, and what is said where all is not well."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from adapters.kit.errors import FeedStopped
from adapters.kit.sender import FeedSender
from adapters.kit.trace import keep
from adapters.kit.values import UNEXPECTED, where

HUB_PATIENCE_S = 2.0
FAILED = "系统错误"
UNREADABLE = "报文内容无法读取"
UNCHECKED = "已登记，卡状态未能核对"
DOUBTFUL = "已登记，内容待核"
FORWARDED_LATER = "已登记，交换枢纽暂不可达，将自动补传"
FEED_STOPPED = "已登记，报送已停止，待运维处理后补传"

log = logging.getLogger(__name__)


def hub_deadline() -> float:
    """Returns until when the hub may answer a call that begins now, by the clock of the event loop."""
    return asyncio.get_running_loop().time() + HUB_PATIENCE_S


async def waited_for(sender: FeedSender, sequence: int, deadline: float) -> str:
    """Waits until the hub has a feed through *sequence*; returns "", or what is said where it has not by the *deadline*."""
    try:
        async with asyncio.timeout_at(deadline):
            await sender.wait_acknowledged(sequence)
    except TimeoutError:
        keep("unacknowledged")
        return FORWARDED_LATER
    except FeedStopped:
        keep("unacknowledged")
        return FEED_STOPPED
    return ""


@contextlib.contextmanager
def reading(what: str, malformed: type[Exception]) -> Iterator[None]:
    """Makes a fault in reading a message a *malformed* one.

    The same message would fail the same way for ever, so it must not be answered as a fault that passes.
    """
    try:
        yield
    except UNEXPECTED as error:
        log.error("%s cannot be read: %s", what, where(error))
        raise malformed(UNREADABLE) from error
