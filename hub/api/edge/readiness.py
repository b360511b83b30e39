"""Whether each service may be asked, and if not, why: one small reading four times a second, judged for all calls.

Ready is who can do its work now. Feeds need the database, a writer that gets on, and partitions ahead. Cards also need views that are
not late and a clock that agrees with the database's: past either limit a question is refused rather than answered by what was true
before. Appends go on through late views, not through a wrong clock: by it the hub would refuse events as of the future, or record
some that are, and one of the two clocks gives the instants of the journal for good. Alive is another matter: the event loop still turns.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.api.edge.reads_only import StandbyAway, StandbyLate
from hub.api.feeds.pace import Pace
from hub.domain.errors import ClockDrift, HubError, ViewsLate
from hub.journal.clock import MOST_AHEAD_S
from hub.journal.writer import JournalWriter
from hub.monitoring.readiness_query import ReadinessQuery, Reading, Unreadable
from hub.projections import DECIDED_BY
from hub.telemetry import names

log = logging.getLogger(__name__)

FEEDS, CARDS = "chuanyu.exchange.v1.FeedService", "chuanyu.exchange.v1.CardService"
HOTLISTS, SUBSCRIPTIONS = "chuanyu.exchange.v1.HotlistService", "chuanyu.exchange.v1.SubscriptionService"
ITEMS, CASES = "chuanyu.exchange.v1.ServiceItemService", "chuanyu.exchange.v1.CaseService"
MEDICAL, CULTURE = "chuanyu.exchange.v1.MedicalService", "chuanyu.exchange.v1.CultureService"
TRANSIT = "chuanyu.exchange.v1.TransitService"
AUDITS, SETTLEMENTS = "chuanyu.exchange.v1.AuditService", "chuanyu.exchange.v1.SettlementService"
RECONCILIATIONS = "chuanyu.exchange.v1.ReconciliationService"
FUNDS, CONSUMPTION = "chuanyu.exchange.v1.FundService", "chuanyu.exchange.v1.ConsumptionService"
FINDINGS = "chuanyu.exchange.v1.FindingService"
INDICATORS = "chuanyu.exchange.v1.IndicatorService"
# What is about money.
MONEY = (SETTLEMENTS, RECONCILIATIONS, FUNDS, CONSUMPTION)
# What the joint meeting asks for.
MEETING = (INDICATORS, FINDINGS)
SERVICES = (FEEDS, CARDS, HOTLISTS, ITEMS, CASES, MEDICAL, CULTURE, TRANSIT, SUBSCRIPTIONS, AUDITS, *MEETING, *MONEY)
# The name under which the health protocol asks for all services together.
ALL = ""
EVERY_S = 0.25
# Ending a stalled writer takes up to seven seconds; a longer wait is for something else.
STUCK_AFTER_S = 10.0
LIVE_WITHIN_S = 10.0
PARTITIONS_AHEAD = 2

Tell = Callable[[str, bool], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How late the views may be, and how far the hub's clock off the database's, before questions are refused."""

    max_lag_s: float = 10.0
    max_clock_drift_s: float = 5.0


class Readiness:
    """Used on one event loop: `run` reads and judges until it is cancelled; the rest looks at what was judged last."""

    # What the edge has to offer: all of it ready is the edge ready.
    offers: tuple[str, ...] = SERVICES

    def __init__(self, dsn: str, writer: JournalWriter | None, limits: Limits) -> None:
        """*dsn* names a login that may SET ROLE hub_writer; an edge that only reads has no *writer*."""
        self._query, self._limits = ReadinessQuery(dsn), limits
        self._progress = None if writer is None else _Progress(writer)
        self.pace = Pace(limits.max_lag_s)
        self._reasons = dict.fromkeys(SERVICES, "正在启动 starting")
        self._told: dict[str, bool] = {}
        self._refusal: Callable[[], HubError] | None = None
        self._drift: float | None = None
        self._lacks_standby = False
        self._turned_at = time.monotonic()

    def refused(self) -> HubError | None:
        """Returns StandbyAway, StandbyLate, ViewsLate or ClockDrift while no question may be answered."""
        return None if self._refusal is None else self._refusal()

    def events_refused(self) -> HubError | None:
        """Returns StandbyAway or ClockDrift while no event may be recorded."""
        if self._lacks_standby:
            return StandbyAway()
        return None if self._drift is None else ClockDrift(drift_s=f"{self._drift:.1f}")

    def report(self) -> dict[str, str]:
        """Returns why each service is not ready, "" for one that is; safe from any thread."""
        return self._reasons

    def is_live(self) -> bool:
        """Whether the event loop turns; safe from any thread."""
        return time.monotonic() - self._turned_at < LIVE_WITHIN_S

    async def run(self, tell: Tell) -> None:
        """Looks again and again; once it is cancelled, nothing is ready any more."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                await self.look(tell)
        finally:
            self._query.close()
            self.pace.release()
            self._conclude("正在停止 stopping", "", "")

    async def look(self, tell: Tell) -> None:
        """Reads, judges, and reports of each service, and of ALL, whether it is ready, where that has changed."""
        self._turned_at = time.monotonic()
        try:
            await self._judge()
        except Exception:
            # The thread that looks must not end and leave an old answer in force.
            log.exception("readiness: fault of the hub")
            self._conclude("枢纽故障 the hub: its log says more", "", "")
        ready = {service: not reason for service, reason in self._reasons.items()}
        ready[ALL] = all(ready[service] for service in self.offers)
        for service, is_ready in ready.items():
            if self._told.get(service) != is_ready:
                self._told[service] = is_ready
                await tell(service, is_ready)

    async def _judge(self) -> None:
        assert self._progress is not None
        stuck = self._progress.why_stuck()
        try:
            reading = await self._query.read()
        except Unreadable as unreadable:
            # What needs the database finds it away by itself.
            self._refusal, self._lacks_standby = None, False
            self.pace.release()
            self._conclude(str(unreadable), "", "")
        else:
            self._refusal = refusal(reading, self._limits)
            self._drift, self._lacks_standby = drift_s(reading, self._limits), reading.lacks_standby
            self.pace.seen(reading, self._progress.writer.waiting_events)
            self._conclude("", stuck or why_not_writing(reading, self._limits), why_not_deciding(reading, self._limits))
            if reading.partitions_ahead < PARTITIONS_AHEAD:
                await self._query.make_partitions()

    def _conclude(self, database: str, writing: str, deciding: str) -> None:
        feeds = database or writing
        reading = (HOTLISTS, ITEMS, CASES, MEDICAL, CULTURE, TRANSIT, SUBSCRIPTIONS, AUDITS, *MEETING, *MONEY)
        self._keep({FEEDS: feeds, CARDS: feeds or deciding, **dict.fromkeys(reading, database)})

    def _keep(self, reasons: dict[str, str]) -> None:
        """Keeps the reasons of each service, and logs each change of them once; numbers after a colon may change unlogged."""
        changed: dict[str, list[str]] = {}
        for service, reason in reasons.items():
            name = service.rpartition(".")[2]
            names.READY.set(not reason, name)
            if reason.partition(":")[0] != self._reasons[service].partition(":")[0]:
                changed.setdefault(reason, []).append(name)
        for reason, services in changed.items():
            level = logging.WARNING if reason else logging.INFO
            log.log(level, "readiness: %s: %s", ", ".join(services), reason or "就绪 ready")
        self._reasons = reasons


class StandbyReadiness(Readiness):
    """Of an edge that only reads: its standby must be there, and not be too far behind its primary."""

    offers = (HOTLISTS, SUBSCRIPTIONS)

    def __init__(self, dsn: str, limits: Limits) -> None:
        """*dsn* names a login that may SET ROLE hub_reader."""
        super().__init__(dsn, None, limits)

    async def _judge(self) -> None:
        try:
            reading = await self._query.read()
        except Unreadable as unreadable:
            # What needs the database finds it away by itself.
            self._refusal = None
            self._conclude(str(unreadable), "", "")
        else:
            is_late = reading.follows_s > self._limits.max_lag_s
            self._refusal = StandbyLate if is_late else None
            self._conclude(f"备库落后 standby: {reading.follows_s:.0f} s behind its primary" if is_late else "", "", "")

    def _conclude(self, database: str, writing: str, deciding: str) -> None:
        reads_only = "只读 this edge only reads"
        reading = dict.fromkeys((HOTLISTS, CASES, SUBSCRIPTIONS), database)
        self._keep({**dict.fromkeys((FEEDS, CARDS, ITEMS, MEDICAL, CULTURE, TRANSIT, AUDITS, *MEETING, *MONEY), reads_only), **reading})


class _Progress:
    """Watches whether the writer gets on with what waits."""

    def __init__(self, writer: JournalWriter) -> None:
        self.writer = writer
        self._groups, self._at = -1, 0.0

    def why_stuck(self) -> str:
        writer = self.writer
        if not writer.is_working:
            return "写入线程已停止 writer: has ended"
        if writer.trouble:
            return f"数据库不接受写入 the database takes no writes: {writer.trouble}"
        if writer.groups != self._groups or not writer.waiting_events:
            self._groups, self._at = writer.groups, time.monotonic()
        waited_s = time.monotonic() - self._at
        return f"写入停滞 writer: nothing was committed for {waited_s:.0f} s" if waited_s > STUCK_AFTER_S else ""


def why_not_writing(reading: Reading, limits: Limits) -> str:
    """Returns why nothing should be appended now, "" if it may."""
    if reading.lacks_standby:
        return "备库缺失 standby: commits wait for a synchronous standby and none is there, `hub standby status`"
    if reading.partitions_ahead < PARTITIONS_AHEAD:
        return f"预建分区不足 partitions: {reading.partitions_ahead} ahead, {PARTITIONS_AHEAD} are needed"
    return _why_not_by_this_clock(reading, limits)


def _why_not_by_this_clock(reading: Reading, limits: Limits) -> str:
    if reading.clock.is_beyond(limits.max_clock_drift_s):
        return f"时钟偏差 clock: {reading.clock.drift_s:+.1f} s off the database's"
    if reading.ahead_s > MOST_AHEAD_S:
        return f"日志时间超前 journal: its newest time is {reading.ahead_s:.0f} s ahead of the clocks, `hub clock accept`"
    return ""


def drift_s(reading: Reading, limits: Limits) -> float | None:
    """Returns how far the hub's clock is off the database's, or off the journal's newest time, None if that is within the limits."""
    if reading.clock.is_beyond(limits.max_clock_drift_s):
        return reading.clock.drift_s
    return -reading.ahead_s if reading.ahead_s > MOST_AHEAD_S else None


def why_not_deciding(reading: Reading, limits: Limits) -> str:
    """Returns why no question should be answered now, "" if it may."""
    if reading.views < len(DECIDED_BY):
        return f"视图缺失 views: {len(DECIDED_BY) - reading.views} are missing, `hub project` makes them"
    if reading.lag_s > limits.max_lag_s:
        return f"视图滞后 views: {reading.view} is {reading.lag_s:.0f} s behind"
    return _why_not_by_this_clock(reading, limits)


def refusal(reading: Reading, limits: Limits) -> Callable[[], HubError] | None:
    """Returns what makes the error for every question, None if they may be answered."""
    if reading.lacks_standby:
        return StandbyAway
    if reading.lag_s > limits.max_lag_s:
        return lambda: ViewsLate(as_of_position=reading.position, lag_s=int(reading.lag_s))
    if (off_s := drift_s(reading, limits)) is not None:
        return lambda: ClockDrift(drift_s=f"{off_s:.1f}")
    return None
