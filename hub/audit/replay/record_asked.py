"""Was anything in the record altered since the last audit: all is computed again from the rows and compared with what was signed."""

from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.fsck import Checked, Difference, check
from hub.audit.keys_here import keyring_here, log_keys_here, trusted
from hub.audit.outcome import Bars, Moment, Outcome, Table, Text
from hub.audit.replay.last_record import Before, Grown, Tree, before, growth, tree_of
from hub.audit.replay.progress import Progress
from hub.audit.replay.witnessed import Witnessed, witnessed
from hub.config import Config
from hub.domain.instants import in_local
from hub.journal.reader import events_at
from hub.journal.sessions import session
from hub.tlog.policy import Policy, parse

_LIMITS = (
    Text("视图没有与重建结果比对：另问「视图是否正确」。", "Views were not compared with a rebuild; that is another question."),
    Text(
        "封存之前的改动、以及来源系统自己报错的内容，无从由日志看出。",
        "What was altered before it was sealed, and what a source itself reported wrongly, cannot be seen from the log.",
    ),
)


def run(dsn: str, question: asked.RecordQuestion, progress: Progress) -> Outcome:
    """Answers; raises Cancelled."""
    config = Config()
    with session(dsn, "hub_reader", "hub-audit") as connection:
        since = before(connection, question)
    checked = check(
        dsn, lambda _what, done, of: progress(done, of), with_views=False, with_log=True,
        keyring=keyring_here(config), log_keys=log_keys_here(config), policy=trusted(config),
    )  # fmt: skip
    with session(dsn, "hub_reader", "hub-audit") as connection:
        head = events_at(connection, [checked.head])
        by, verified = witnessed(connection, _policy(config)), tree_of(connection, checked.sealed)
        grown = growth(connection, since)
    at_us = head[0].recorded_us if head else 0
    return Outcome(
        Text("记录自上次审计以来是否被改动？", "Was anything in the record altered since the last audit?"),
        _answer(since, checked, grown, by),
        checked.is_clean and grown.holds,
        checked.head,
        _facts(since, checked, verified, by),
        _timeline(since, checked, at_us),
        (_differences(checked), _trees(since, verified), _witnesses(by)),
        (_figure(since, checked),),
        (*_verified(checked), *by.said, *grown.said),
        (
            *grown.limits,
            *by.limits,
            *_beyond(checked),
            *_LIMITS,
            *(Text(f"未查：{one}", f"Not checked: {one}") for one in checked.left_out),
        ),
        at_us,
    )


def _policy(config: Config) -> Policy | None:
    """Returns the policy that the hub was given, with its quorum."""
    return None if config.log_policy is None else parse(config.log_policy.read_bytes())


def _answer(since: Before, checked: Checked, grown: Grown, by: Witnessed) -> Text:
    """Claims what was compared, and with what, and no more."""
    if not grown.holds:
        return Text("有：日志不是上次审计时那一份的延续。", "Yes: the log does not go on from the one that was audited last.")
    if not checked.is_clean:
        wrong = sum(checked.codes.values())
        return Text(f"有：发现 {wrong:,} 处不符，见下表。", f"Yes: {wrong:,} differences were found, see the table below.")
    if not checked.sealed:
        return Text(
            "没有发现不符；但尚未封存，内容无从核对。",
            "No difference was found; but nothing is sealed, so contents were compared with nothing.",
        )
    last = checked.sealed - 1
    goes_on = (
        (f"，并接续审计 {since.code} 所记的树", f" and goes on from the tree of audit {since.code}") if grown.is_compared else ("", "")
    )
    seen = (f"见证按策略联署至位置 {by.size - 1:,}", f"witnesses cosigned as the policy asks up to position {by.size - 1:,}")
    unseen = ("没有见证按策略为证", "no witnesses stand for it as a policy asks")
    who = seen if by.size else unseen
    return Text(
        f"没有发现改动：位置 1 至 {last:,} 的事件逐一重算，与日志签名的树相符{goes_on[0]}；{who[0]}。",
        f"No alteration was found: each event up to position {last:,} was computed again and agrees with the signed tree,"
        f" which is whole{goes_on[1]}; {who[1]}.",
    )


def _facts(since: Before, checked: Checked, verified: Tree | None, by: Witnessed) -> dict[str, object]:
    return {
        "since": since.position,
        "last_audit": since.code,
        "last_root": since.tree.head.root.hex() if since.tree else "",
        "head": checked.head,
        "events": checked.events,
        "holes": checked.holes,
        "tree_size": checked.sealed,
        "tree_origin": verified.head.origin if verified else "",
        "tree_root": verified.head.root.hex() if verified else "",
        "checkpoint_digest": verified.digest.hex() if verified else "",
        "cosigned_size": by.size,
        "views_compared": False,
        "codes": dict(checked.codes),
        "left_out": list(checked.left_out),
    }


def _timeline(since: Before, checked: Checked, at_us: int) -> tuple[Moment, ...]:
    last = Text(
        f"上次审计 {since.code}" if since.code else "从此处起问", f"Last audit {since.code}" if since.code else "Asked from here on"
    )
    moments = [Moment(since.at_us, since.at_us, since.position, last)] if since.at_us else []
    if at_us:
        moments.append(Moment(at_us, at_us, checked.head, Text("查到此处", "Checked up to here")))
    return tuple(moments)


def _differences(checked: Checked) -> Table:
    columns = (Text("代码", "Code"), Text("位置", "Position"), Text("不符之处", "What differs"))
    rows = [(one.code, int(one.values.get("position", 0)), _words(one)) for one in checked.differences]
    return Table(Text("不符之处", "Differences"), columns, tuple(rows[:1_000]))


def _words(one: Difference) -> Text:
    """Returns the words of a difference, without a key of somebody's."""
    shown = Difference(one.code, **{name: "…" if name == "key" else value for name, value in one.values.items()})
    return Text(shown.chinese, shown.english)


def _trees(since: Before, verified: Tree | None) -> Table:
    """The roots themselves: who has the report of the last audit compares them with it."""
    columns = (
        Text("树", "Tree"),
        Text("日志", "Log"),
        Text("叶数", "Leaves"),
        Text("根", "Root"),
        Text("检查点摘要", "Digest of the checkpoint"),
    )
    named = ((Text("上次审计", "Last audit"), since.tree), (Text("此次", "This time"), verified))
    rows = [(name, one.head.origin, one.head.size, _grouped(one.head.root), _grouped(one.digest)) for name, one in named if one is not None]
    return Table(Text("检查点", "Checkpoints"), columns, tuple(rows))


def _grouped(digest: bytes) -> str:
    """Returns a digest in groups, where a line may break."""
    return digest.hex(" ", 4)


def _witnesses(by: Witnessed) -> Table:
    columns = (Text("见证", "Witness"), Text("联署到的大小", "Cosigned size"), Text("何时", "When"), Text("核验", "Judged"))
    rows = tuple((one.name, one.size, _second(one.at_us), one.worth) for one in by.witnesses)
    return Table(Text("见证", "Witnesses"), columns, rows)


def _figure(since: Before, checked: Checked) -> Bars:
    new = max(0, checked.head - since.position)
    return Bars(
        Text("查过的事件", "Events checked"),
        ((Text("上次审计之前", "Before the last audit"), checked.head - new), (Text("此后新增", "New since then"), new)),
    )


def _verified(checked: Checked) -> list[Text]:
    found = [
        Text(
            f"日志位置 1 到 {checked.head:,} 无缺口，各来源编号连续，旁表与事件一致。",
            f"Positions 1 to {checked.head:,} have no gap, each source's numbers go on without one, and what is beside the journal agrees.",
        )
    ]
    if checked.sealed:
        last = checked.sealed - 1
        found.append(
            Text(
                f"日志树的 {checked.sealed:,} 片叶（首条 1 片，位置 1 至 {last:,} 的事件各 1 片）由记录重算，各级节点、根与签名逐一核对。",
                f"The {checked.sealed:,} leaves of the log, its first entry and one of each event up to position {last:,}, were computed"
                " again from the rows; tiles, roots and signatures were compared.",
            )
        )
    return found


def _beyond(checked: Checked) -> list[Text]:
    """Says of which positions only the order, or only the leaf, was checked: a hub at work records and seals meanwhile."""
    last = checked.sealed - 1
    if not checked.sealed or last == checked.head:
        return []
    if last < checked.head:
        return [Text(
            f"位置 {last + 1:,} 至 {checked.head:,} 检查时尚未封存：只查了次序与旁表，内容无从与日志核对。",
            f"Positions {last + 1:,} to {checked.head:,} were not sealed yet: their order was checked, their contents could not be.",
        )]  # fmt: skip
    return [Text(
        f"位置 {checked.head + 1:,} 至 {last:,} 在检查期间入账：只核对了内容，次序与旁表留待下次。",
        f"Positions {checked.head + 1:,} to {last:,} came meanwhile: their contents were checked, their order is for the next time.",
    )]  # fmt: skip


def _second(at_us: int) -> str:
    return in_local(at_us).strftime("%Y-%m-%d %H:%M:%S")
