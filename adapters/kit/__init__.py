"""What every adapter shares on its way to the hub: read → translate → append → resume where GetFeed says.

    outbox.py      numbers a province's events once and keeps them until the hub has them
    sender.py      keeps one feed going, and reports its state; session.py is one stream of it
    connection.py  mutual TLS to one of several hub edges; asks for a card; loopback.py keeps proxies out of the way
    answering.py   what a native call is answered with while the hub is slow or away
    receipts.py    checks the hub's receipts at once; proofs.py has their text, kept.py keeps them in the outbox
    subscriber.py  reads what concerns a province, from a cursor on
    client.py      what of all this is packed for provinces that write their own (adapters/clients)
    batch_keys.py  what batches are blinded and signed with
    log_copy.py    a mirror or site of the hub's log; comparing.py compares what was sent with it
    refusal.py     reads why the hub said no
    trace.py       one native call or file as one trace; sent_batch.py is what its batches are in it
    sampling.py    which traces are kept, and which still wait for the hub
    telemetry.py   the names of spans and attributes, and their way to a collector
    logs.py        the log, with trace ids
    private_files.py  modes of files with what a province sent; alone.py keeps a second adapter from them
    options.py     what the commands read alike; running.py puts the parts together and runs them
    inbox.py       takes files; ack_file.py answers one
    errors.py      what an operator has to mend; chinese.py says it in Chinese

An adapter needs no more than these three, from one event loop:

    outbox = Outbox(path)
    connection = HubConnection(targets, mutual_tls(ca, cert, key))
    sender = FeedSender(outbox, connection, "sc.usage")   # asyncio.create_task(sender.run())
    [(sequence, is_new)] = await sender.put([(source_key, event.SerializeToString(deterministic=True))])
    await sender.wait_acknowledged(sequence)
"""

from adapters.kit.alone import alone_in
from adapters.kit.batch_keys import BatchKeys, open_batch_keys
from adapters.kit.chinese import in_words
from adapters.kit.connection import HubConnection, mutual_tls
from adapters.kit.errors import (
    AdapterError,
    CertificateUnreadable,
    DataDirectoryInUse,
    FeedStopped,
    HubBehind,
    HubUnreachable,
    OutboxDamaged,
    OutboxLost,
    SenderFault,
    SequenceConflict,
)
from adapters.kit.logs import log_to_standard_error
from adapters.kit.options import (
    CaOption,
    CertOption,
    ContinueAtOption,
    HubOption,
    KeepSentOption,
    KeyOption,
    ListenOption,
    OptionUnreadable,
    OtlpOption,
    TraceShareOption,
    TraceSlowOption,
    continue_feeds,
    data_home,
    listen_address,
)
from adapters.kit.outbox import FeedState, Outbox
from adapters.kit.private_files import private_directory
from adapters.kit.refusal import Refusal
from adapters.kit.running import Feeds, Hub, Parts, Tracing, run_adapter
from adapters.kit.sampling import UNTRACED, Traces
from adapters.kit.sender import FeedSender
from adapters.kit.serving import bounded_body, serve_beside
from adapters.kit.telemetry import span_export
from adapters.kit.trace import keep, put_traced, step

__all__ = [
    "UNTRACED",
    "AdapterError",
    "BatchKeys",
    "CaOption",
    "CertOption",
    "CertificateUnreadable",
    "ContinueAtOption",
    "DataDirectoryInUse",
    "FeedSender",
    "FeedState",
    "FeedStopped",
    "Feeds",
    "Hub",
    "HubBehind",
    "HubConnection",
    "HubOption",
    "HubUnreachable",
    "KeepSentOption",
    "KeyOption",
    "ListenOption",
    "OptionUnreadable",
    "OtlpOption",
    "Outbox",
    "OutboxDamaged",
    "OutboxLost",
    "Parts",
    "Refusal",
    "SenderFault",
    "SequenceConflict",
    "TraceShareOption",
    "TraceSlowOption",
    "Traces",
    "Tracing",
    "alone_in",
    "bounded_body",
    "continue_feeds",
    "data_home",
    "in_words",
    "keep",
    "listen_address",
    "log_to_standard_error",
    "mutual_tls",
    "open_batch_keys",
    "private_directory",
    "put_traced",
    "run_adapter",
    "serve_beside",
    "span_export",
    "step",
]
