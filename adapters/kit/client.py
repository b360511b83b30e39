"""The client of the exchange hub: what numbers a province's events once, brings them to the hub and resumes; and what reads the hub's.

    outbox = Outbox(Path("outbox.sqlite"))
    connection = HubConnection(["HOST:PORT"], mutual_tls(ca, cert, key))
    sender = FeedSender(outbox, connection, "sc.usage")   # asyncio.create_task(sender.run())
    [(sequence, is_new)] = await sender.put([(source_key, event.SerializeToString(deterministic=True))])
    await sender.wait_acknowledged(sequence)

    cursor = Cursor(Path("cursor"))
    async for delivered in Subscriber(connection, cursor.position).events():
        ...
        cursor.keep(delivered.position)

Everything is used from one event loop. The messages are those of `chuanyu.exchange.v1`, which is installed beside this.
"""

from adapters.kit.batch_keys import BatchKeys, open_batch_keys
from adapters.kit.chinese import in_words
from adapters.kit.connection import HubConnection, mutual_tls
from adapters.kit.errors import (
    AdapterError,
    CertificateUnreadable,
    FeedStopped,
    HubBehind,
    HubUnreachable,
    OutboxDamaged,
    OutboxLost,
    SenderFault,
    SequenceConflict,
)
from adapters.kit.outbox import FeedState, Outbox
from adapters.kit.refusal import Refusal
from adapters.kit.sender import FeedSender
from adapters.kit.subscriber import Cursor, CursorUnreadable, Subscriber

__all__ = [
    "AdapterError",
    "BatchKeys",
    "CertificateUnreadable",
    "Cursor",
    "CursorUnreadable",
    "FeedSender",
    "FeedState",
    "FeedStopped",
    "HubBehind",
    "HubConnection",
    "HubUnreachable",
    "Outbox",
    "OutboxDamaged",
    "OutboxLost",
    "Refusal",
    "SenderFault",
    "SequenceConflict",
    "Subscriber",
    "in_words",
    "mutual_tls",
    "open_batch_keys",
]
