"""What `hub fsck` says: one code for each thing that can be wrong, with its words in Chinese and English. A code never changes."""

from typing import Any

from hub.words.visible import visible

_NOTES = ("note", "own")

# One row a code. A field in braces is a value of the difference.
WORDS = {
    # The order of the journal
    "beyond-head": ("位置 {position} 在日志的 1 至 {head} 之外", "position {position} is outside of the journal, which has 1 to {head}"),
    "head-time": (
        "日志末端的时间与最后一个事件（位置 {position}）不符",
        "the head's time is not that of its last event, position {position}",
    ),
    "position-missing": ("位置 {first} 至 {last} 之间缺 {missing} 个事件", "positions {first} to {last}: {missing} missing"),
    "numbers-broken": (
        "流 {stream} 的编号 {lowest} 至 {highest} 未按序接在 {before} 之后",
        "stream {stream}: numbers {lowest} to {highest} do not follow {before} without hole and in order",
    ),
    "time-back": ("位置 {position} 的入账时间早于位置 {before}", "position {position}: recorded before position {before}"),
    "stream-end": (
        "流 {feed}：登记的下一编号是 {expected}，事件止于 {last}",
        "stream {feed}: its row expects {expected}, its events end with {last}",
    ),
    # Batches
    "batch-end": (
        "流 {feed}：登记的下一编号是 {expected}，批次止于 {last}",
        "stream {feed}: its row expects {expected}, its batches end with {last}",
    ),
    "batch-gap": (
        "流 {stream}：起于 {sequence} 的批次没有接上前一批",
        "stream {stream}: batch at {sequence} does not follow the one before",
    ),
    "batch-elsewhere": (
        "流 {stream}：起于 {sequence} 的批次没有指向其事件",
        "stream {stream}: batch at {sequence} does not lead to its events",
    ),
    "batch-time": (
        "流 {stream}：起于 {sequence} 的批次与其事件（位置 {position}）的入账时间不同",
        "stream {stream}: batch at {sequence} and its events, from position {position}, were not recorded at one time",
    ),
    "segment-unreadable": (
        "已归档的分段 {segment}（位置 {first} 至 {last}）无法读取：{why}",
        "archived segment {segment}, positions {first} to {last}, cannot be read: {why}",
    ),
    "examination-broken": (
        "“{what}”无法查完，所查内容不是枢纽所写：{why}",
        "“{what}” could not be finished, what it reads is not as the hub writes it: {why}",
    ),
    "definition-altered": (
        "{name} 不是迁移文件所定义的",
        "{name} is not as the migrations define it: what is checked by it cannot be believed",
    ),
    # Streams
    "stream-missing": (
        "流 {stream} 有事件（编号至 {last}），却没有登记",
        "stream {stream} has events, up to number {last}, and is not there",
    ),
    "head-missing": ("日志没有末端：其行被删或被改", "the journal has no head: its row was removed or altered"),
    "feed-unregistered": (
        "数据流 {feed}（属 {owner}）没有登记；已登记而不见的：{absent}",
        "feed {feed} of {owner} was never registered; registered and not there: {absent}",
    ),
    "feed-owner": (
        "数据流 {feed} 的所有者是 {owner}，登记的是 {registered}",
        "feed {feed} belongs to {owner}, registered for {registered}",
    ),
    "feed-missing": ("数据流 {feed} 已登记给 {owner}，却不存在", "feed {feed} is registered for {owner} and is not there"),
    "aggregate-name": (
        "聚合 {feed} 的名称与其首个事件（位置 {position}）不符",
        "aggregate {feed} is not named by its first event, position {position}",
    ),
    # Corrections
    "correction-missing": (
        "{feed} 第 {sequence} 号被位置 {position} 更正或冲正，关联却不在",
        "{feed} {sequence} is corrected or reversed at position {position}, and the link is not there",
    ),
    "correction-added": (
        "位置 {position} 并未更正或冲正 {feed} 第 {sequence} 号，却有此关联",
        "position {position} neither corrects nor reverses {feed} {sequence}, and a link says so",
    ),
    # Answers
    "request-missing": ("位置 {position} 的答复没有请求登记", "the answer at position {position} has no request that leads to it"),
    "request-elsewhere": (
        "有请求登记指向位置 {position}，该处答复的不是它",
        "a request leads to position {position}, which does not answer it",
    ),
    "token-missing": ("位置 {position} 用掉的令牌没有登记", "the token that position {position} used is not noted as used by it"),
    "token-added": ("位置 {position} 没有用掉令牌，却有登记", "a token is noted as used by position {position}, which used none such"),
    "decision-rules": (
        "位置 {position} 的答复所用规则 {rules} 此前未曾生效",
        "the answer at position {position} names rules {rules}, not published by then",
    ),
    "decision-basis": (
        "位置 {position} 的答复称依据位置 {basis}，该处尚未入账",
        "the answer at position {position} says it rests on position {basis}, not recorded by then",
    ),
    # What is kept beside the journal
    "rules-missing": ("规则 {rules}（位置 {position} 生效）没有存档", "rules {rules}, published at position {position}, are not kept"),
    "rules-replaced": (
        "规则 {rules}（位置 {position} 生效）的存档不是当时的：{why}",
        "rules {rules}, published at position {position}: {why}",
    ),
    "hotlist-file": (
        "第 {epoch} 期黑名单文件与位置 {position} 的公布不符",
        "the hotlist file of epoch {epoch} is not the one published at position {position}",
    ),
    "hotlist-missing": (
        "第 {epoch} 期黑名单（位置 {position} 公布）的文件不见了",
        "the hotlist file of epoch {epoch}, published at position {position}, is gone",
    ),
    "erased-again": ("保险库：已删除的标识 {key} 又出现", "vault: identifier {key} was erased and is there again"),
    "original-erased-again": (
        "保险库：已删除的 {feed} 第 {sequence} 号原件又出现",
        "vault: the original of {feed} {sequence} was erased and is there again",
    ),
    "keys-differ": ("密钥不是本数据库的", "the keys are not those of this database"),
    # Contents
    "event-unreadable": ("位置 {position} 的事件无法解析", "position {position}: its event cannot be parsed"),
    "identifier-in-clear": ("位置 {position}：{path} 是明文", "position {position}: {path} is in clear"),
    "identifier-in-text": ("位置 {position}：{path} 中疑有 {kind}", "position {position}: {path} has what looks like {kind}"),
    # The log, and what an altered row was before
    "tail-cut": ("日志止于位置 {position}，已封存到 {sealed}", "the journal ends at position {position} and was sealed up to {sealed}"),
    "event-altered": (
        "{feed} 第 {sequence} 号（位置 {position}）与封存时不同",
        "position {position}, {feed} {sequence}: not what was sealed",
    ),
    "byte-altered": (
        "{feed} 第 {sequence} 号（位置 {position}）内容的第 {was} 字节被改",
        "position {position}, {feed} {sequence}: byte {was} of its content was changed",
    ),
    "events-swapped": (
        "{feed} 第 {sequence} 号（位置 {position}）与位置 {was} 对调",
        "position {position}, {feed} {sequence}: swapped with position {was}",
    ),
    "stream-renamed": (
        "流 {feed}（位置 {position} 等）封存时名为 {was}",
        "stream {feed}, from position {position} on: sealed as {was}",
    ),
    "kind-altered": ("{feed} 第 {sequence} 号（位置 {position}）原为 {was}", "position {position}, {feed} {sequence}: its kind was {was}"),
    "time-altered": (
        "{feed} 第 {sequence} 号（位置 {position}）原入账于 {was}",
        "position {position}, {feed} {sequence}: was recorded at {was}",
    ),
    "decision-altered": ("位置 {position} 的答复被改，原为 {was}", "the answer at position {position} was altered, it was {was}"),
    "decision-rules-altered": ("位置 {position} 的答复原依规则 {was}", "the answer at position {position} was by rules {was}"),
    "decision-basis-altered": ("位置 {position} 的答复原依据位置 {was}", "the answer at position {position} rested on position {was}"),
    "partition-replaced": ("分区 {partition} 被另一个顶替", "partition {partition} was put in the place of another"),
    "leaf-altered": ("位置 {position} 的叶散列被改，事件未改", "position {position}: its leaf was altered, its event was not"),
    "leaf-rewritten": ("位置 {position} 的事件连同叶散列被改", "position {position}: its event was altered, and its leaf with it"),
    "tile-missing": ("日志树第 {level} 层第 {tile} 块缺失", "the log's tile {level}/{tile} is missing or too short"),
    "tile-altered": (
        "日志树第 {level} 层第 {tile} 块被改",
        "the log's tile {level}/{tile} was altered: it is not made of what is below it",
    ),
    "root-differs": (
        "自 {before} 之后日志树被改写：自 {sealed} 起 {count} 个检查点的根不符",
        "the tree was rewritten after size {before}: from {sealed} on, {count} checkpoints have other roots",
    ),
    "history-forked": (
        "自 {before} 之后历史被改写并重新签名：自 {sealed} 起 {count} 个较早的检查点不符",
        "history was rewritten after size {before} and signed again: from {sealed} on, {count} earlier checkpoints do not agree",
    ),
    "incarnation-missing": ("日志第 {number} 代没有登记", "incarnation {number} of the log is not there"),
    "genesis-altered": ("日志 {origin} 的首条被改", "the first entry of log {origin} was altered"),
    "checkpoint-forged": (
        "日志 {origin} 大小 {sealed} 的检查点不是日志所签",
        "the checkpoint of {origin} at size {sealed} is not as the log signed it",
    ),
    "checkpoint-key-ended": (
        "日志 {origin} 大小 {sealed} 的检查点只由在该大小不作数的密钥签署",
        "the checkpoint of {origin} at size {sealed} is signed only by keys that do not count at this size",
    ),
    "policy-of-another": (
        "所给策略属于另一日志（{named}），不是 {origin} 的",
        "the policy is that of another log, {named}, and not of {origin}",
    ),
    "witness-unknown": ("见证方 {witness} 不在策略中（大小 {sealed}）", "witness {witness}, at size {sealed}, is not in the policy"),
    "cosignature-wrong": (
        "见证方 {witness} 对大小 {sealed} 的签名是伪造的",
        "the line of witness {witness} at size {sealed} is not by that witness",
    ),
    "cosignature-of-another": (
        "见证方 {witness} 在大小 {sealed} 处的签名属于另一检查点",
        "the line of witness {witness} at size {sealed} belongs to another checkpoint",
    ),
    "quorum-missing": ("没有检查点达到见证人数 {quorum}", "no checkpoint is cosigned as the quorum {quorum} asks"),
    "note-unknown": (
        "所给检查点（{origin}，{sealed}）不是本日志所签",
        "the checkpoint given, {origin} at {sealed}, is not one that this log signed",
    ),
    "behind-cosigned": (
        "日志只到 {sealed}，他处存有大小 {other} 的检查点：\n{note}",
        "the log ends at size {sealed}, others have a checkpoint of size {other}:\n{note}",
    ),
    "split-view": (
        "大小 {sealed} 处有两种历史，见证方所见的是另一种：\n{note}\n此处：\n{own}",
        "there are two histories at size {sealed}, and witnesses saw the other:\n{note}\nhere:\n{own}",
    ),
    "contradicted": (
        "见证方 {witness} 出示过大小 {sealed} 的另一种历史：\n{note}\n此处：\n{own}",
        "witness {witness} showed another history of size {sealed}:\n{note}\nhere:\n{own}",
    ),
    "two-heads": (
        "日志为大小 {sealed} 签过两种历史：\n{note}\n此处：\n{own}",
        "the log signed two histories at size {sealed}:\n{note}\nhere:\n{own}",
    ),
    "index-epoch": (
        "大小 {size} 的卡索引根（位置 {position}）不是所公布的",
        "the card index of size {size}, position {position}, was not published so",
    ),
    "index-groups": ("大小 {size} 的卡索引各组与其根不符", "the groups of the card index of size {size} do not come to its root"),
    "index-root-differs": (
        "大小 {size} 的卡索引（位置 {position}）与日志不符，首个不同的桶 {bucket}",
        "the card index of size {size}, published at {position}, is not what the journal comes to; first in bucket {bucket}",
    ),
    # Views
    "view-differs": (
        "视图 {view}：在位置 {position} 与重建不同，首处 {table}: {key}",
        "view {view}: live differs from rebuilt at position {position}, first in {table}: {key}",
    ),
    "view-not-foldable": ("视图 {view} 无法由日志重建", "view {view} cannot be rebuilt from the journal"),
    "checkpoint-beyond-head": (
        "视图 {view} 声称到了 {position}，日志止于 {head}",
        "view {view} claims to be at {position}, the journal ends at {head}",
    ),
    "events-parked": ("{parked} 个事件被搁置", "{parked} events are parked"),
}


class Difference:
    """One thing that is wrong: its code, where it is, and its words."""

    __slots__ = ("code", "values")

    def __init__(self, code: str, **values: Any) -> None:
        """*code* has a row in WORDS, and *values* has its fields, of which `position`, `feed` and `sequence` say where."""
        assert code in WORDS, code
        self.code, self.values = code, values

    @property
    def chinese(self) -> str:
        """What is wrong, in Chinese."""
        return WORDS[self.code][0].format(**self._shown)

    @property
    def english(self) -> str:
        """What is wrong, in English."""
        return WORDS[self.code][1].format(**self._shown)

    @property
    def _shown(self) -> dict[str, Any]:
        """The values as they are printed: a name that somebody altered is not to write lines of its own; only notes have several."""
        keep = {name: "\n" if name in _NOTES else "" for name in self.values}
        return {name: visible(value, keep[name]) if isinstance(value, str) else value for name, value in self.values.items()}

    def as_json(self) -> dict[str, Any]:
        """Returns code, place and words, for machines."""
        place: dict[str, Any] = {name: self.values[name] for name in ("position", "feed", "sequence") if name in self.values}
        return {"code": self.code, **place, "chinese": self.chinese, "english": self.english}
