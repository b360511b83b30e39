"""A hub at work, checked again and again: events flow in, questions are answered, views follow, the log is sealed and its keys rotated."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.admin import log_keys
from hub.audit.fsck import Checked, check
from hub.bench.load import Load, Order
from hub.bench.setup import Ground, ground, hub_process, projector
from hub.bench.tampering.history import FEEDS
from hub.config import Config
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.trust.keyring import open_keyring
from hub.trust.log_keys import open_log_keys

EVENTS_PER_S = 200
# More than a campaign lasts: the load is stopped at its end.
_BATCHES, _BATCH_EVENTS = 5_000, 20
_BEGINS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class AtWork:
    """A hub that is at work."""

    place: Ground

    def check(self) -> Checked:
        """Checks the journal, what is beside it, and the log, as the command does."""
        keys = self.place.data_dir / "keys"
        return check(self.place.dsn, with_views=False, with_log=True, keyring=open_keyring(keys), log_keys=open_log_keys(keys))

    def take_up_keys(self) -> None:
        """Has further keys sign the log, beside the former ones."""
        with contextlib.closing(AggregateStore(self.place.dsn)) as store:
            log_keys.take_up(store, self.place.data_dir / "keys", datetime.now(UTC))

    def retire_keys(self) -> None:
        """Ends the former keys of the log."""
        with contextlib.closing(AggregateStore(self.place.dsn)) as store:
            log_keys.retire_former(store, "ROTATED", datetime.now(UTC))

    def events(self) -> int:
        """How many events it has by now."""
        with session(self.place.dsn, "hub_reader", "hub-bench") as connection:
            return head_position(connection)


@contextlib.contextmanager
def at_work(config: Config) -> Iterator[AtWork]:
    """Yields a hub that has begun to work, its log sealed by what folds its views, and ends it."""
    with ground(config, list(FEEDS)) as place, hub_process(place, telemetry=False) as hub, projector(place):
        certificates = place.data_dir / "certificates"
        load = Load(Order((hub.target,), certificates, FEEDS[1:], (1, 1), _BATCHES, EVENTS_PER_S, batch_events=_BATCH_EVENTS))
        load.start()
        try:
            work, give_up_at = AtWork(place), time.monotonic() + _BEGINS_WITHIN_S
            while not work.check().sealed and time.monotonic() < give_up_at:
                time.sleep(0.1)
            yield work
        finally:
            load.stop()
