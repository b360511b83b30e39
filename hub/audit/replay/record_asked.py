"""Was anything in the record altered since the last audit: all is computed again from the rows and compared with what was signed."""

from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit import sealed
from hub.audit.fsck import Checked, Difference, check
from hub.audit.keys_here import keyring_here, log_keys_here, trusted
from hub.audit.log_overview import WitnessState, witness_states
from hub.audit.outcome import Bars, Moment, Outcome, Table, Text
from hub.audit.replay.progress import Progress
from hub.audit.requests.reading import newest
from hub.audit.requests.windows import position_of
from hub.config import Config
from hub.domain.audit_request import AuditRequest
from hub.domain.errors import HubError
from hub.domain.instants import in_local, microseconds_of
from hub.journal.reader import events_at
from hub.journal.sessions import session

_MOST_AUDITS = 1_000
_LIMITS = (
    Text("不含视图与重建结果的比对：另问「视图是否正确」。", "Views are not compared with a rebuild here; that is another question."),
    Text(
        "封存之前的改动、以及来源系统自己报错的内容，无从由日志看出。",
        "What was altered before it was sealed, and what a source itself reported wrongly, cannot be seen from the log.",
    ),
)


class Before(NamedTuple):
    """From where on the record is asked about: a position, when it was recorded, and the size of the tree that was audited last."""

    position: int
    at_us: int
    size: int
    code: str


def run(dsn: str, question: asked.RecordQuestion, progress: Progress) -> Outcome:
    """Answers; raises Cancelled."""
    config = Config()
    with session(dsn, "hub_reader", "hub-audit") as connection:
        before = _before(connection, question)
    checked = check(
        dsn, lambda _what, done, of: progress(done, of), with_views=False, with_log=True,
        keyring=keyring_here(config), log_keys=log_keys_here(config), policy=trusted(config),
    )  # fmt: skip
    with session(dsn, "hub_reader", "hub-audit") as connection:
        head = events_at(connection, [checked.head])
        witnesses = witness_states(connection)
        grown = _growth(connection, before)
    at_us = head[0].recorded_us if head else 0
    return Outcome(
        Text("记录自上次审计以来是否被改动？", "Was anything in the record altered since the last audit?"),
        _answer(before, checked, grown),
        checked.is_clean and grown.holds,
        checked.head,
        _facts(before, checked),
        _timeline(before, checked, at_us),
        (_differences(checked), _witnesses(witnesses)),
        (_figure(before, checked),),
        (*_verified(checked, witnesses), *grown.said),
        (*grown.wrong, *_LIMITS, *(Text(f"未查：{one}", f"Not checked: {one}") for one in checked.left_out)),
        at_us,
    )


def _before(connection: psycopg.Connection, question: asked.RecordQuestion) -> Before:
    position, size, code = 0, 0, ""
    if question.HasField("since"):
        position = position_of(connection, question.since)
    elif (last := last_delivered(connection)) is not None and last.delivered is not None:
        position, size, code = last.delivered.recorded_as_of, last.delivered.tree_size, last.code
    found = events_at(connection, [position]) if position else []
    return Before(position, found[0].recorded_us if found else 0, size, code)


def last_delivered(connection: psycopg.Connection) -> AuditRequest | None:
    """Returns the last audit of the record that was delivered, None if there was none."""
    return next((one for one in newest(connection, _MOST_AUDITS) if one.kind == "record" and one.delivered is not None), None)


def _answer(before: Before, checked: Checked, grown: "Grown") -> Text:
    since_zh = f"自 {_day(before.at_us)}（位置 {before.position:,}）以来" if before.position else "自始"
    since_en = f"since {_day(before.at_us)} (position {before.position:,})" if before.position else "since the beginning"
    if checked.is_clean and grown.holds:
        return Text(
            f"没有：{since_zh}记录未被改动，{checked.events:,} 个事件逐一重算，全部相符。",
            f"No: {since_en} nothing was altered; each of {checked.events:,} events was computed again, and all agree.",
        )
    if not grown.holds:
        return Text("有：日志不是上次审计时那一份的延续。", "Yes: the log does not go on from the one that was audited last.")
    wrong = sum(checked.codes.values())
    return Text(f"有：发现 {wrong:,} 处不符，见下表。", f"Yes: {wrong:,} differences were found, see the table below.")


def _facts(before: Before, checked: Checked) -> dict[str, object]:
    return {
        "since": before.position,
        "last_audit": before.code,
        "head": checked.head,
        "events": checked.events,
        "holes": checked.holes,
        "tree_size": checked.sealed,
        "codes": dict(checked.codes),
        "left_out": list(checked.left_out),
    }


def _timeline(before: Before, checked: Checked, at_us: int) -> tuple[Moment, ...]:
    last = Text(
        f"上次审计 {before.code}" if before.code else "从此处起问", f"Last audit {before.code}" if before.code else "Asked from here on"
    )
    moments = [Moment(before.at_us, before.at_us, before.position, last)] if before.at_us else []
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


def _witnesses(found: list[WitnessState]) -> Table:
    columns = (Text("见证", "Witness"), Text("联署到的大小", "Cosigned size"), Text("何时", "When"))
    rows = tuple((one.name, one.size, _second(microseconds_of(one.at))) for one in found)
    return Table(Text("见证", "Witnesses"), columns, rows)


def _figure(before: Before, checked: Checked) -> Bars:
    new = max(0, checked.head - before.position)
    return Bars(
        Text("查过的事件", "Events checked"),
        ((Text("上次审计之前", "Before the last audit"), checked.head - new), (Text("此后新增", "New since then"), new)),
    )


def _verified(checked: Checked, witnesses: list[WitnessState]) -> list[Text]:
    found = [
        Text(
            f"日志位置 1 到 {checked.head:,} 无缺口，各来源编号连续，旁表与事件一致。",
            f"Positions 1 to {checked.head:,} have no gap, each source's numbers go on without one, and what is beside the journal agrees.",
        )
    ]
    if checked.sealed:
        found.append(
            Text(
                f"日志树的 {checked.sealed:,} 片叶由记录重算，各级节点、根与签名逐一核对。",
                f"The {checked.sealed:,} leaves of the log were computed again from the rows; tiles, roots and signatures were compared.",
            )
        )
    found += [
        Text(f"见证 {one.name} 联署至大小 {one.size:,}。", f"Witness {one.name} has cosigned up to size {one.size:,}.") for one in witnesses
    ]
    return found


class Grown(NamedTuple):
    """Whether the tree of the last audit begins today's, and what is said of it."""

    holds: bool = True
    said: tuple[Text, ...] = ()
    wrong: tuple[Text, ...] = ()


def _growth(connection: psycopg.Connection, before: Before) -> Grown:
    if not before.size:
        return Grown()
    try:
        old, new, path = sealed.consistency(connection, before.size, 0)
    except HubError:
        wrong = Text(
            "上次审计的树不是今日之树的开头：日志被截断或改写，或经恢复另起一世（docs/log.md）。",
            "The tree of the last audit does not begin today's: the log was cut or written again, or a restore began another one.",
        )
        return Grown(holds=False, wrong=(wrong,))
    said = Text(
        f"上次审计的树（{old.size:,} 片叶）是今日之树（{new.size:,} 片叶）的开头，证明含 {len(path)} 个哈希。",
        f"The tree of the last audit ({old.size:,} leaves) begins today's ({new.size:,}); the proof has {len(path)} hashes.",
    )
    return Grown(said=(said,))


def _day(at_us: int) -> str:
    return in_local(at_us).strftime("%Y-%m-%d")


def _second(at_us: int) -> str:
    return in_local(at_us).strftime("%Y-%m-%d %H:%M:%S")
