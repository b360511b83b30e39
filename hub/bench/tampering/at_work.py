"""A hub at work: events flow in, questions are answered, views follow and the log is sealed, while it is checked again and again."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from hub.audit.fsck import Checked, check
from hub.bench.load import Load, Order
from hub.bench.setup import Ground, ground, hub_process, projector
from hub.bench.tampering.history import FEEDS, LOG_NAME
from hub.config import Config
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.tlog import sealer
from hub.trust.keyring import open_keyring
from hub.trust.log_keys import open_log_keys

EVENTS_PER_S = 200
_SEAL_EVERY_S = 0.2
# More than any campaign lasts: the load is stopped at its end.
_BATCHES, _BATCH_EVENTS = 20_000, 20


@dataclass(frozen=True, slots=True)
class AtWork:
    """A hub that is at work."""

    place: Ground

    def check(self) -> Checked:
        """Checks the journal, what is beside it, and the log, as the command does."""
        keys = self.place.data_dir / "keys"
        return check(self.place.dsn, with_views=False, with_log=True, keyring=open_keyring(keys), log_keys=open_log_keys(keys))

    def events(self) -> int:
        """How many events it has by now."""
        with session(self.place.dsn, "hub_reader", "hub-bench") as connection:
            return head_position(connection)


@contextlib.contextmanager
def at_work(config: Config) -> Iterator[AtWork]:
    """Yields a hub that has begun to work, and ends it."""
    with ground(config, list(FEEDS)) as place, hub_process(place, telemetry=False) as hub, projector(place):
        order = Order(
            (hub.target,), place.data_dir / "certificates", FEEDS[1:], (1, 1), _BATCHES // 10, EVENTS_PER_S, batch_events=_BATCH_EVENTS
        )
        load, is_over = Load(order), threading.Event()
        sealing = threading.Thread(target=_seal, args=(place, is_over), daemon=True)
        load.start()
        sealing.start()
        try:
            yield AtWork(place)
        finally:
            is_over.set()
            sealing.join()
            load.stop()


def _seal(place: Ground, is_over: threading.Event) -> None:
    with session(place.dsn, "hub_sealer", "hub-seal") as connection:
        own = sealer.Sealer(connection, open_log_keys(place.data_dir / "keys"), sealer.begin(connection, LOG_NAME))
        while not is_over.wait(_SEAL_EVERY_S):
            own.seal()
