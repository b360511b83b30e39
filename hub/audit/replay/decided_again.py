"""Answers of a period decided again, each at the position that it names: the journal is read once, and folded by lane in processes."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from hub.audit.replay.answering import Branch, Shared, keep, leave
from hub.audit.replay.comparing import Found, compare_lane
from hub.audit.replay.groups import Groups
from hub.audit.replay.progress import Progress
from hub.audit.replay.spool import Scattered, Spool, move, scatter
from hub.audit.replay.timelines import Timelines, timelines
from hub.audit.replay.window import require_whole
from hub.audit.rule_versions import unpacked_version
from hub.domain.acceptance import rules_digest
from hub.domain.errors import HubError
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.lanes.pool import processes_of

EVENTS_A_LANE, MOST_LANES = 40_000, 512
POSITIONS_A_RUN = 50_000


class ReplayStopped(HubError):
    """重放的一个进程中止了；可再次运行 a process of the replay ended; run it again."""


class Period(NamedTuple):
    """The positions of the answers, from *first* on and with *last*; *is_rebuilt*: with all that is recorded up to the last."""

    first: int
    last: int
    is_rebuilt: bool = False


def decide_again(
    dsn: str, period: Period, branches: Sequence[Branch], progress: Progress, processes: int | None = None, lanes: int | None = None
) -> Found:
    """Decides the answers of a period again, by the rules of then and in each branch; raises HistoryArchived, ReplayStopped, RulesEnded."""
    with session(dsn, "hub_reader", "hub-replay") as connection:
        require_whole(connection)
        last = min(period.last, head_position(connection))
    count = lanes or min(MOST_LANES, max(2, last // EVENTS_A_LANE))
    with ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="hub-replay-")))
        pool = held.enter_context(processes_of(processes, leave, ReplayStopped))
        spool = Spool(directory, count, period.first, last)
        shared = _spooled(dsn, pool, spool, progress, held)
        shared.branches, shared.known_at = (Branch(), *branches), last if period.is_rebuilt else 0
        keep(directory, shared)
        for future in as_completed([pool.submit(move, spool, lane, shared.moved) for lane in range(count)]):
            future.result()
        found = Found(branches=[])
        lots = [pool.submit(compare_lane, spool, lane) for lane in range(count)]
        for number, lot in enumerate(as_completed(lots), 1):
            found.add(lot.result())
            progress(last + last * number // count, 2 * last)
        return found


def _spooled(dsn: str, pool: Executor, spool: Spool, progress: Progress, held: ExitStack) -> Shared:
    """Writes the lanes, and returns what they share."""
    last = spool.last
    shared_by_all = pool.submit(_timelines, dsn, last)
    runs = [
        pool.submit(_scatter, dsn, spool, number, after, min(after + POSITIONS_A_RUN, last))
        for number, after in enumerate(range(0, last, POSITIONS_A_RUN))
    ]
    groups, tokens, digests, done = Groups(), dict[bytes, int](), set[bytes](), 0
    for run in as_completed(runs):
        found = run.result()
        groups.join(found.pairs)
        digests |= found.digests
        for token, position in found.tokens.items():
            tokens[token] = min(position, tokens.get(token, position))
        done += POSITIONS_A_RUN
        progress(min(done, last), 2 * last)
    others = digests - {rules_digest()}
    rules = {digest: str(held.enter_context(unpacked_version(dsn, digest))[0]) for digest in sorted(others)}
    return Shared(groups.moved(spool.lanes), shared_by_all.result(), tokens, rules)


def _scatter(dsn: str, spool: Spool, number: int, after: int, end: int) -> Scattered:
    with session(dsn, "hub_reader", "hub-replay") as connection:
        return scatter(connection, spool, number, after, end)


def _timelines(dsn: str, last: int) -> Timelines:
    with session(dsn, "hub_reader", "hub-replay") as connection:
        return timelines(connection, last)
