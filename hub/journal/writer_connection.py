"""The connection on which the writer's thread commits groups: what it tries again, and why the database takes no writes now."""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub.domain.errors import JournalUnavailable
from hub.journal.batch import Appended, Batch, Outcome
from hub.journal.group import commit_group
from hub.journal.sessions import CONNECT_WITHIN_S, raw_session, set_up
from hub.journal.statements import ConnectionLost, DatabaseUnfit, GroupFailed, run

log = logging.getLogger(__name__)

# A batch that waits is answered well before its deadline; what it sends again is found if it was committed all the same.
RETRY_FOR_S = 1.0
UNFIT_FOR_S = 1.0
UNFIT_WAIT_S = 0.5
# A head that another writer keeps is no fault of the database: ending that writer takes up to seven seconds.
HEAD_FOR_S = 20.0
LOCK_TIMEOUT = "55P03"
_AWAY = "it cannot be reached"
STALLED_AFTER = "3s"

# A stopped process must not hold the head: the server ends its idle transaction, and waiting writers know by its name whom they may end.
# Planning again costs more than the rest of a small group, and a plan made for an empty table can stay bad: one plan each, by the keys.
SETTINGS = {
    "synchronous_commit": "on", "idle_in_transaction_session_timeout": STALLED_AFTER, "lock_timeout": "4s", "statement_timeout": "30s",
    "plan_cache_mode": "force_generic_plan", "jit": "off", "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
}  # fmt: skip
SESSION = set_up("hub_writer", {"application_name": "hub-writer", **SETTINGS})
# Takes a megabyte of disk and gives it back.
_PROBE = b"CREATE TEMP TABLE room AS SELECT repeat('x', 1000) FROM generate_series(1, 1000); DROP TABLE room"


class WriterConnection:
    """Opened when it is needed, and again once it was lost; used from one thread."""

    def __init__(self, dsn: str, is_stopping: Callable[[], bool]) -> None:
        """*dsn* names a login that may SET ROLE hub_writer; once *is_stopping*, less is tried again."""
        self._conninfo = make_conninfo(dsn, application_name="hub-writer", connect_timeout=CONNECT_WITHIN_S)
        self._is_stopping = is_stopping
        self._connection: pq.abc.PGconn | None = None
        self._checked_at_position = 0
        self.partitions_ahead = 0
        # Why the database takes no writes; empty while it does.
        self.trouble = ""
        self._trouble_at = 0.0

    @property
    def has_long_had_trouble(self) -> bool:
        """Whether the database takes no writes, and for longer than a batch may wait."""
        return self.trouble != "" and time.monotonic() - self._trouble_at > RETRY_FOR_S

    def probe(self) -> None:
        """Sees whether the database takes writes: while it does not, a participant that was refused stays away and cannot find out."""
        try:
            run(self._open(), _PROBE)
            self._note("")
        except (ConnectionLost, GroupFailed) as failure:
            self.close()
            self._note(_AWAY if isinstance(failure, ConnectionLost) else str(failure))

    def _note(self, trouble: str) -> None:
        if trouble and not self.trouble:
            self._trouble_at = time.monotonic()
            log.error("journal: the database takes no writes", extra={"reason": trouble})
        elif self.trouble and not trouble:
            log.info("journal: the database takes writes")
        self.trouble = trouble

    def write(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Writes a group and tries again after a lost connection: the feed rows say what was committed."""
        began = time.monotonic()
        delay_s = 0.05
        while True:
            try:
                outcomes = commit_group(self._open(), batches)
                break
            except ConnectionLost:
                self.close()
                self._note(_AWAY)
                for batch in batches:
                    batch.uncertain = True
                if time.monotonic() > began + RETRY_FOR_S or (self._is_stopping() and delay_s > 1):
                    raise
                time.sleep(delay_s)
                delay_s = min(delay_s * 2, 2.0)
            except DatabaseUnfit as failure:
                self.close()
                self._note(str(failure))
                if self._is_stopping() or time.monotonic() > began + UNFIT_FOR_S:
                    raise JournalUnavailable("The database takes no writes now.") from None
                time.sleep(UNFIT_WAIT_S)
            except GroupFailed as failure:
                if LOCK_TIMEOUT not in str(failure):
                    raise
                if time.monotonic() > began + HEAD_FOR_S:
                    # No batch is at fault, so none is tried singly.
                    raise JournalUnavailable("the head is held") from None
                self._end_stalled_writers()
        self._note("")
        self._look_ahead(outcomes)
        return outcomes

    def _end_stalled_writers(self) -> None:
        log.warning("journal: another writer holds the head; ending it if it is stalled")
        with contextlib.suppress(GroupFailed, ConnectionLost):
            run(self._open(), f"SELECT journal.terminate_stalled_writers('{STALLED_AFTER}')".encode())

    def close(self) -> None:
        """Ends the connection; the next statement opens another."""
        if self._connection is not None:
            self._connection.finish()
            self._connection = None

    def _open(self) -> pq.abc.PGconn:
        if self._connection is None or self._connection.status != pq.ConnStatus.OK:
            self.close()
            # Each of its commits waits for the standby by itself.
            self._connection = raw_session(self._conninfo, SESSION, confirms=False)
            self.partitions_ahead = int(run(self._connection, b"SELECT journal.ensure_partitions()").get_value(0, 0) or 0)
            self._checked_at_position = 0
        return self._connection

    def _look_ahead(self, outcomes: Sequence[Outcome]) -> None:
        """Makes partitions ahead every million positions, well before they are needed."""
        position = max((outcome.positions[-1] for outcome in outcomes if isinstance(outcome, Appended)), default=0)
        if position - self._checked_at_position > 1_000_000:
            self._checked_at_position = position
            try:
                ahead = run(self._open(), b"SELECT journal.ensure_partitions()").get_value(0, 0)
                self.partitions_ahead = int(ahead or 0)
            except (GroupFailed, ConnectionLost) as failure:
                # The group is committed and must be answered so; there is a million positions' time to try again.
                log.warning("journal: partitions ahead could not be made", extra={"reason": str(failure)})
