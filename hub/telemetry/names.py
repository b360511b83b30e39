"""Every span, attribute and instrument of the hub. Whatever has a standard name in OpenTelemetry's semantic conventions bears that.

No attribute and no label may hold what names a person or a card: participants, feeds, numbers, codes and reasons only.
"""

from hub.telemetry.instruments import Counter, Gauge, Histogram

# Spans. A server span is named after its method, as the conventions want it: chuanyu.exchange.v1.FeedService/AppendEvents.
PREPARE_SPAN = "check events"
QUEUE_SPAN = "wait in queue"
COMMIT_SPAN = "commit group"
READ_SPAN = "read card group"
DECIDE_SPAN = "decide"
RECORD_SPAN = "commit decisions"
FOLD_SPAN = "fold {view}"
DELIVER_SPAN = "deliver subscription"
PROCESS_SPAN = "process losses"

# Attributes of the conventions (rpc, messaging, database, error; 1.45).
RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.response.status_code"
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.type"
MESSAGING_COUNT = "messaging.batch.message_count"
DB_SYSTEM = "db.system.name"
DB_OPERATION = "db.operation.name"
DB_COLLECTION = "db.collection.name"
DB_BATCH_SIZE = "db.operation.batch.size"
ERROR_TYPE = "error.type"

# Our own.
PARTICIPANT = "hub.participant"
FEED = "hub.feed"
FIRST_SEQUENCE = "hub.first_sequence"
SEQUENCE = "hub.sequence"
FIRST_POSITION = "hub.first_position"
LAST_POSITION = "hub.last_position"
POSITION = "hub.position"
AS_OF_POSITION = "hub.as_of_position"
DUPLICATES = "hub.duplicates"
QUARANTINED = "hub.quarantined"
RULES_BROKEN = "hub.rules_broken"
GROUP_EVENTS = "hub.group.events"
REASON = "hub.reason"
OUTCOME = "hub.outcome"
SHOWN = "hub.shown"
SCENARIO = "hub.scenario"
DIRECTION = "hub.direction"
VIEW = "hub.view"
PARKED = "hub.parked"
KEPT_FOR = "hub.kept_for"
SERVICE = "hub.service"
WRITER = "hub.writer"
LOG = "hub.log"
STATE = "hub.state"
CERTIFICATE = "hub.certificate"
STANDBY = "hub.standby"
QUOTA = "hub.quota"
WITNESS = "hub.witness"

# Seconds: from a fifth of a millisecond to ten seconds.
DURATION_BOUNDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZE_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

# Calls.
CALL_DURATION = Histogram(
    name="rpc.server.call.duration",
    unit="s",
    description="一次调用的时长。Time of a call, by method and status",
    labels=(RPC_METHOD, RPC_STATUS, PARTICIPANT),
    bounds=DURATION_BOUNDS,
)
CALLS_UNDER_WAY = Gauge(name="hub.calls.under_way", unit="{call}", description="正在处理的调用。Calls under way", labels=(PARTICIPANT,))
CONNECTIONS = Gauge(name="hub.connections", unit="{connection}", description="连接数。Open connections", labels=(PARTICIPANT,))
CONNECTIONS_CLOSED = Counter(
    name="hub.connections.closed",
    unit="{connection}",
    description="由枢纽关闭的连接：按参与方、原因。Connections the hub closed, by reason",
    labels=(PARTICIPANT, REASON),
)
REFUSALS = Counter(
    name="hub.refusals",
    unit="{refusal}",
    description="拒绝：按参与方、方法、原因。Refused calls and batches, by reason",
    labels=(PARTICIPANT, RPC_METHOD, REASON),
)

# Feeds.
FEED_RECEIVED = Counter(
    name="hub.feed.events.received", unit="{event}", description="收到的事件。Events received", labels=(PARTICIPANT, FEED)
)
FEED_ANSWERED = Counter(
    name="hub.feed.events.answered",
    unit="{event}",
    description="已答复的事件：recorded duplicate quarantined。Events answered, by outcome",
    labels=(PARTICIPANT, FEED, OUTCOME),
)
FEED_REFUSED = Counter(
    name="hub.feed.batches.refused",
    unit="{batch}",
    description="被拒的批次。Batches refused, by reason",
    labels=(PARTICIPANT, FEED, REASON),
)
FEED_HELD_BACK = Counter(
    name="hub.feed.held_back",
    unit="s",
    description="为不使视图滞后而等待的时长。Time that batches waited so that the views keep up",
    labels=(PARTICIPANT,),
)
FEED_SEQUENCE = Gauge(
    name="hub.feed.last_sequence", unit="{event}", description="最后编号。Last recorded sequence of a feed", labels=(PARTICIPANT, FEED)
)
FEED_SILENCE = Gauge(
    name="hub.feed.silence", unit="s", description="静默时长。Time since the last event of a feed", labels=(PARTICIPANT, FEED)
)
FEED_CLOCK = Gauge(
    name="hub.feed.clock_ahead",
    unit="s",
    description="来源时钟超前：最近一批中最新事件时间减枢纽时间。By how much a feed's newest event lies ahead of the hub's clock",
    labels=(PARTICIPANT, FEED),
)

# Journal.
QUEUE_WAITING = Gauge(name="hub.journal.queue.events", unit="{event}", description="排队的事件。Events that wait for a commit")
QUEUE_FULLNESS = Gauge(name="hub.journal.queue.fullness", unit="1", description="队列占用率。Share of the queue that is taken")
GROUP_SIZE = Histogram(
    name="hub.journal.group.size", unit="{event}", description="每组事件数。Events a group commit", labels=(WRITER,), bounds=SIZE_BOUNDS
)
COMMIT_DURATION = Histogram(
    name="hub.journal.commit.duration", unit="s", description="提交时长。Time of a group commit", labels=(WRITER,), bounds=DURATION_BOUNDS
)
COMMIT_FAILURES = Counter(
    name="hub.journal.commit.failures", unit="{commit}", description="提交失败。Group commits that failed", labels=(WRITER, REASON)
)
HEAD_POSITION = Gauge(name="hub.journal.position", unit="{event}", description="日志位置。Position of the journal's head")
HOLES = Gauge(name="hub.journal.holes", unit="{event}", description="日志缺口，应恒为 0。Positions without an event; always 0")
# The last check.
FSCK_AGE = Gauge(name="hub.fsck.age", unit="s", description="距最近一次 hub fsck 的时间。Since the last hub fsck on this data directory")
FSCK_POSITION = Gauge(
    name="hub.fsck.position", unit="{position}", description="最近一次 hub fsck 核对到的位置。How far the last hub fsck looked"
)
FSCK_DIFFERENCES = Gauge(
    name="hub.fsck.differences",
    unit="{difference}",
    description="最近一次 hub fsck 发现的不符，应恒为 0。What it found to differ; always 0",
)

# The log.
LOG_SEALED = Counter(name="hub.log.sealed", unit="{event}", description="已封存的事件。Events that were sealed into the log")
LOG_SEAL_DURATION = Histogram(
    name="hub.log.seal.duration", unit="s", description="封存一次的时长。Time to seal what was new", bounds=DURATION_BOUNDS
)
LOG_UNSEALED_EVENTS = Gauge(name="hub.log.unsealed.events", unit="{event}", description="尚未封存的事件。Events that are not sealed yet")
LOG_UNSEALED = Gauge(name="hub.log.unsealed", unit="s", description="最老未封存事件的年龄。Age of the oldest event that is not sealed")
WITNESS_LAG = Gauge(
    name="hub.witness.lag", unit="s", description="见证方落后的时间。How long a witness has lacked a checkpoint", labels=(WITNESS,)
)
WITNESS_ANSWERS = Counter(
    name="hub.witness.answers",
    unit="{answer}",
    description="见证方的答复：cosigned away refused forged went_back contradicted。Answers of a witness, by outcome",
    labels=(WITNESS, OUTCOME),
)
QUORUM_LAG = Gauge(name="hub.log.quorum.lag", unit="s", description="法定见证数落后的时间。How long the quorum has lacked a checkpoint")
LOG_CONTRADICTIONS = Gauge(
    name="hub.log.contradictions",
    unit="{checkpoint}",
    description="见证方出示的矛盾检查点，应恒为 0。Checkpoints of witnesses that contradict the log; always 0",
)

# Views.
VIEW_POSITION = Gauge(name="hub.view.position", unit="{event}", description="视图位置。Position of a view", labels=(VIEW,))
VIEW_LAG_EVENTS = Gauge(name="hub.view.lag.events", unit="{event}", description="视图落后事件数。Events a view is behind", labels=(VIEW,))
VIEW_LAG = Gauge(name="hub.view.lag", unit="s", description="视图落后时间。Age of the oldest event a view has not folded", labels=(VIEW,))
VIEW_PARKED = Gauge(name="hub.view.parked", unit="{event}", description="搁置的事件。Events a view has parked", labels=(VIEW,))
VIEW_DIFFERS = Gauge(
    name="hub.view.differs",
    unit="{view}",
    description="1：最近一次重建与现视图不同。1 if the last rebuild differed from the live view",
    labels=(VIEW,),
)
VIEW_FOLDED = Counter(name="hub.view.folded", unit="{event}", description="已折叠事件。Events folded", labels=(VIEW,))
FOLD_DURATION = Histogram(
    name="hub.view.fold.duration", unit="s", description="折叠一页的时长。Time to fold a page", labels=(VIEW,), bounds=DURATION_BOUNDS
)

# Decisions.
DECISIONS = Counter(
    name="hub.decisions",
    unit="{decision}",
    description="互认答复：按场景、方向、结果。Decisions by scenario, direction (issuer>server) and outcome",
    labels=(SCENARIO, DIRECTION, OUTCOME),
)
CARD_MISSES = Counter(
    name="hub.card.misses",
    unit="{question}",
    description="问及枢纽没有的卡。Questions about cards that the hub does not know",
    labels=(PARTICIPANT, RPC_METHOD),
)
LOOKS = Counter(
    name="hub.looks",
    unit="{look}",
    description="查看卡记录：按参与方、所示内容。Looks at a card's record, by participant and what was shown",
    labels=(PARTICIPANT, SHOWN),
)
OPERATOR_QUESTIONS = Counter(
    name="hub.operator.questions",
    unit="{question}",
    description="运维人员自己的询问，不计入答复。Questions of the hub's own operators, which are no decisions of a province",
    labels=(SCENARIO, OUTCOME),
)
DECISION_REASONS = Counter(
    name="hub.decision.reasons", unit="{decision}", description="互认答复的理由。Reasons of decisions", labels=(REASON, OUTCOME)
)
DECISION_DURATION = Histogram(
    name="hub.decision.duration",
    unit="s",
    description="答复时长。Time from question to recorded answer",
    labels=(OUTCOME,),
    bounds=DURATION_BOUNDS,
)
SUBSCRIPTION_DELIVERED = Counter(
    name="hub.subscription.delivered", unit="{event}", description="已投递的事件。Events delivered to subscribers", labels=(PARTICIPANT,)
)

# Quotas.
QUOTA_HELD_BACK = Counter(
    name="hub.quota.held_back",
    unit="s",
    description="因配额而暂缓读取流的时长。Time that streams were held back, by quota",
    labels=(PARTICIPANT, QUOTA),
)

# Surroundings.
READY = Gauge(name="hub.ready", unit="{service}", description="1：服务就绪。1 if a service is ready", labels=(SERVICE,))
CERTIFICATE_EXPIRY = Gauge(
    name="hub.certificate.expiry", unit="s", description="证书剩余时间。Time until a certificate ends", labels=(CERTIFICATE,)
)
DATABASE_SIZE = Gauge(name="hub.database.size", unit="By", description="数据库大小。Size of the database")
DATABASE_CONNECTIONS = Gauge(
    name="hub.database.connections", unit="{connection}", description="数据库连接。Connections to the database, by state", labels=(STATE,)
)
DATABASE_CONNECTIONS_MAX = Gauge(
    name="hub.database.connections.max", unit="{connection}", description="连接上限。Connections the database allows"
)
DATABASE_OLDEST_SNAPSHOT = Gauge(
    name="hub.database.oldest_snapshot", unit="s", description="最老事务快照的年龄。Age of the oldest open snapshot"
)
STANDBY_MISSING = Gauge(
    name="hub.standby.missing",
    unit="{standby}",
    description="1：提交在等同步备库，而它不在。1 while commits wait for a synchronous standby and none is there",
)
STANDBY_LAG = Gauge(
    name="hub.standby.lag",
    unit="s",
    description="备库落后主库的时间；不在则为离开的时间。How late a standby has a commit on disk, or how long it has been away",
    labels=(STANDBY,),
)
STANDBY_BEHIND = Gauge(
    name="hub.standby.behind", unit="By", description="备库所缺的日志。What a standby lacks of the database's log", labels=(STANDBY,)
)
REPLAY_LAG = Gauge(
    name="hub.replay.lag",
    unit="s",
    description="只读节点所读备库落后的时间。How far the standby that a process reads is behind its primary",
)
CLOCK_DRIFT = Gauge(name="hub.clock.drift", unit="s", description="枢纽时钟与数据库时钟之差（正为超前）。Hub's clock minus the database's")
DISK_FREE = Gauge(name="hub.disk.free", unit="By", description="剩余磁盘。Free disk under the data directory")

# Telemetry itself.
TRACES_KEPT = Counter(name="hub.telemetry.traces.kept", unit="{trace}", description="保留的链路。Traces kept, and why", labels=(KEPT_FOR,))
TRACES_OVER_BUDGET = Counter(
    name="hub.telemetry.traces.over_budget",
    unit="{trace}",
    description="超出每秒预算而未保留的链路。Traces that had a reason to be kept when the budget was spent",
    labels=(KEPT_FOR,),
)
SPANS_DROPPED = Counter(
    name="hub.telemetry.spans.dropped",
    unit="{span}",
    description="丢弃的跨度：导出跟不上。Spans dropped because the exporter did not keep up",
)
LOG_LINES_DROPPED = Counter(
    name="hub.log.lines.dropped",
    unit="{line}",
    description="丢弃的日志行。Log lines dropped because the disk did not keep up",
    labels=(LOG,),
)
