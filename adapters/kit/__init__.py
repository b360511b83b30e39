"""What every adapter shares on its way to the hub: read → translate → append → resume where GetFeed says.

    outbox.py      numbers a province's events once and keeps them until the hub has them
    sender.py      streams one feed from the outbox to the hub, and resumes
    connection.py  mutual TLS to one of several hub edges; asks for a card
    refusal.py     reads why the hub said no
    options.py     what the commands read alike
    errors.py      what an operator has to mend

An adapter needs no more than these three, from one event loop:

    outbox = Outbox(path)
    connection = HubConnection(targets, mutual_tls(ca, cert, key))
    sender = FeedSender(outbox, connection, "sc.usage")   # asyncio.create_task(sender.run())
    [(sequence, is_new)] = await sender.put([(source_key, event.SerializeToString(deterministic=True))])
    await sender.wait_acknowledged(sequence)
"""

from adapters.kit.connection import HubConnection, mutual_tls
from adapters.kit.errors import (
    AdapterError,
    CertificateUnreadable,
    FeedStopped,
    HubBehind,
    HubUnreachable,
    OutboxLost,
    SequenceConflict,
)
from adapters.kit.options import (
    CaOption,
    CertOption,
    ContinueAtOption,
    HubOption,
    KeyOption,
    ListenOption,
    OptionUnreadable,
    continue_feeds,
    listen_address,
)
from adapters.kit.outbox import FeedState, Outbox
from adapters.kit.refusal import Refusal
from adapters.kit.sender import FeedSender
from adapters.kit.serving import bounded_body, serve_beside

__all__ = [
    "AdapterError",
    "CaOption",
    "CertOption",
    "CertificateUnreadable",
    "ContinueAtOption",
    "FeedSender",
    "FeedState",
    "FeedStopped",
    "HubBehind",
    "HubConnection",
    "HubOption",
    "HubUnreachable",
    "KeyOption",
    "ListenOption",
    "OptionUnreadable",
    "Outbox",
    "OutboxLost",
    "Refusal",
    "SequenceConflict",
    "bounded_body",
    "continue_feeds",
    "listen_address",
    "mutual_tls",
    "serve_beside",
]
