"""What all pages work with: sessions on the database, keys, tables, and how fast the journal grows."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psycopg

from hub.admin.accounts.provider import Provider, Settings
from hub.admin.catalogues import KeptCatalogue
from hub.admin.participants import all_participants
from hub.audit.requests.reading import Listed
from hub.config import Config
from hub.console.rendering import compile_all
from hub.console.seen_sessions import SeenSessions
from hub.domain import reference
from hub.domain.acceptance import rules_digest
from hub.domain.errors import HubError
from hub.domain.instants import local_day, microseconds_of
from hub.domain.participant import DECISIONS_FEED, HUB, Participant
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.journal.session_pool import Pool
from hub.monitoring.feeds import Habit, habits
from hub.monitoring.hole_watch import HoleWatch
from hub.trust.keyring import open_keyring

READERS = 4
# A page's statement ends by itself: what takes longer is no page.
STATEMENT_MS = 2_000
SAMPLE_S, SAMPLES = 2.0, 61
KNOWN_S = 15.0
# Where a provider of identities leads back to.
BACK_TO = "/oidc/callback"


class Workings:
    """Made once for a process; used from many threads."""

    def __init__(self, config: Config, dsn: str, *, is_demo: bool = False, address: str = "") -> None:
        """*dsn* is a login that has hub_reader, hub_writer and hub_console, *address* where it listens, if no setting says otherwise."""
        self.config, self.dsn, self.is_demo = config, dsn, is_demo
        limits = {"statement_timeout": str(STATEMENT_MS), "default_transaction_read_only": "on"}
        self.readers = Pool(dsn, "hub_reader", "hub-console", READERS, limits)
        self.rows = Pool(dsn, "hub_console", "hub-console-rows", 4, {"statement_timeout": str(STATEMENT_MS)})
        self.writers = Pool(dsn, "hub_writer", "hub-console-looks", 2, {"statement_timeout": "5000"})
        self.keyring, self.tables = open_keyring(config.keys_dir), reference.load()
        self.catalogue = KeptCatalogue(self.tables)
        self.provider = _provider(config, config.console_address or address)
        self.audits, self.seen_sessions = Listed(), SeenSessions(self.rows)
        # Gaps among the newest positions, as far as this process has looked.
        self.holes, self._hole_watch = 0, HoleWatch()
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)
        self._participants: tuple[float, Mapping[str, Participant]] = (0.0, {})
        self._habits: tuple[float, dict[str, Habit]] = (0.0, {})
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._sample, name="console-rate", daemon=True)

    @property
    def command(self) -> str:
        """Returns how the hub's command is typed: beside a demo on its data, from the folder of the project."""
        return f"HUB_DATA_DIR={self.config.data_dir} .venv/bin/hub" if self.is_demo else "hub"

    def start(self) -> None:
        """Makes the feed that looks go to, and begins to sample how far the journal is."""
        with closing(AggregateStore(self.dsn)) as store:
            store.ensure_feeds([(DECISIONS_FEED, HUB)])
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and closes the sessions."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        for pool in (self.readers, self.rows, self.writers):
            pool.close()

    def _sample(self) -> None:
        # What takes a second once a process is made before somebody waits for it.
        compile_all()
        rules_digest()
        with suppress(HubError, psycopg.Error), self.readers.session() as connection:
            self.catalogue.read(connection).on(local_day(microseconds_of(datetime.now(UTC))))
        while True:
            with suppress(HubError, psycopg.Error), self.readers.session() as connection:
                self.holes = self._hole_watch.look(connection)
                self._samples.append((time.monotonic(), head_position(connection)))
            with suppress(HubError, psycopg.Error):
                self.seen_sessions.confirm()
            if self._stopping.wait(SAMPLE_S):
                return

    @property
    def rates(self) -> list[float]:
        """Events a second of the last two minutes, from the oldest on; as far as this process has looked."""
        known = list(self._samples)
        return [(after - before) / max(0.001, to_s - from_s) for (from_s, before), (to_s, after) in pairwise(known)]

    def participants(self) -> Mapping[str, Participant]:
        """Returns the participants by their URI names, as they were a few seconds ago; raises what the database does."""
        with self._lock:
            since_s, found = self._participants
            if time.monotonic() - since_s > KNOWN_S or not found:
                with closing(AggregateStore(self.dsn)) as store:
                    found = {one.urn: one for one in all_participants(store)}
                self._participants = time.monotonic(), found
            return found

    def habits(self, connection: psycopg.Connection) -> dict[str, Habit]:
        """Returns how each feed usually goes, as it was a few seconds ago: of two hundred batches few are new by then."""
        since_s, found = self._habits
        if time.monotonic() - since_s > KNOWN_S or not found:
            found = habits(connection)
            self._habits = time.monotonic(), found
        return found

    def province_of(self, owner: str) -> str:
        """Returns the province of the owner of a feed, "" for the hub's own."""
        found = self.participants().get(owner)
        return found.province if found is not None else ""


def _provider(config: Config, address: str) -> Provider | None:
    """Returns the provider of identities that the settings name; raises ProviderUnfit."""
    if not config.oidc_issuer:
        return None
    secret = Path(config.oidc_secret_file).read_text(encoding="utf-8").strip() if config.oidc_secret_file else ""
    return Provider(Settings(config.oidc_issuer, config.oidc_client_id, secret, f"{address.rstrip('/')}{BACK_TO}", config.oidc_claim))
