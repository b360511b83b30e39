"""The first event: a card is registered, numbered once however often this runs, and recorded by the hub.

python first_event.py HOST:PORT CERTIFICATES PARTICIPANT FEED
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from chuanyu.exchange.v1.card_lifecycle_pb2 import CARD_GENERATION_THIRD, CARD_KIND_REGULAR, SOCIAL_STATUS_ACTIVE, CardRegistered
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import CARD_IDENTIFIER_KIND_CARD_NO, CardRef
from chuanyu_client import FeedSender, HubConnection, Outbox, mutual_tls


async def main(target: str, certificates: Path, participant: str, feed: str) -> None:
    """Reports it, and says what became of it."""
    credentials = mutual_tls(*(certificates / name for name in ("ca.crt", f"{participant}.crt", f"{participant}.key")))
    connection, outbox = HubConnection([target], credentials), Outbox(Path("outbox.sqlite"))
    sender = FeedSender(outbox, connection, feed)
    sending = asyncio.create_task(sender.run())
    event = Event(
        issuer_region="500199",
        source=Source(system="first-event"),
        card=CardRef(issuing_province="50", kind=CARD_IDENTIFIER_KIND_CARD_NO, clear="F00000001"),
        card_registered=CardRegistered(status=SOCIAL_STATUS_ACTIVE, generation=CARD_GENERATION_THIRD, card_kind=CARD_KIND_REGULAR),
    )
    event.occurred_at.FromDatetime(datetime(2025, 9, 1, tzinfo=UTC))
    [(sequence, is_new)] = await sender.put([("registered F00000001", event.SerializeToString(deterministic=True))])
    await sender.wait_acknowledged(sequence)
    broken = (await sender.quarantined([sequence])).get(sequence, [])
    print(f"{feed} {sequence} {'new' if is_new else 'sent before'}: {'quarantined ' + '; '.join(broken) if broken else 'recorded'}")
    sending.cancel()
    outbox.close()
    await connection.close()


sys.exit(__doc__) if len(sys.argv) != 5 else asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
