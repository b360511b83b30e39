"""The request of a call that has one: read once the caller is let in and counted, and not waited for without end.

gRPC's own unary handlers begin when the message is there. Until then a call is nobody's: four thousand that never sent it filled a server,
and the gate never saw who sent them.
"""

import asyncio

import grpc

from hub.domain.errors import RequestLate, RequestMalformed

FIRST_MESSAGE_S = 10.0


async def first_message(context: grpc.aio.ServicerContext, within_s: float) -> bytes:
    """Returns the message of a call if it comes within *within_s* seconds.

    Raises RequestLate, or RequestMalformed where the client ends its side without one.
    """
    try:
        async with asyncio.timeout(within_s):
            message = await context.read()
    except TimeoutError:
        raise RequestLate(limit_s=int(within_s)) from None
    if message is grpc.aio.EOF:
        raise RequestMalformed
    return bytes(message)
