"""What `hub fsck` says: one code for each thing that can be wrong, with its words in Chinese and English. A code never changes."""

from typing import Any

# One row a code. A field in braces is a value of the difference.
WORDS = {
    # The order of the journal
    "beyond-head": ("位置 {position} 超出日志末端 {head}", "position {position} stands beyond the head at {head}"),
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
    # Streams
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
    "erased-again": ("保险库：已删除的标识 {key} 又出现", "vault: identifier {key} was erased and is there again"),
    "original-erased-again": (
        "保险库：已删除的 {feed} 第 {sequence} 号原件又出现",
        "vault: the original of {feed} {sequence} was erased and is there again",
    ),
    "keys-differ": ("密钥不是本数据库的", "the keys are not those of this database"),
    # Contents
    "event-unreadable": ("位置 {position} 的事件无法解析", "position {position}: its event cannot be parsed"),
    "identifier-in-clear": ("位置 {position}：{path} 是明文", "position {position}: {path} stands in clear"),
    "identifier-in-text": ("位置 {position}：{path} 中疑有 {kind}", "position {position}: {path} holds what looks like {kind}"),
    # Views
    "view-differs": (
        "视图 {view}：在位置 {position} 与重建不同，首处 {place}",
        "view {view}: live differs from rebuilt at position {position}, first in {place}",
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
        return WORDS[self.code][0].format(**self.values)

    @property
    def english(self) -> str:
        """What is wrong, in English."""
        return WORDS[self.code][1].format(**self.values)

    def as_json(self) -> dict[str, Any]:
        """Returns code, place and words, for machines."""
        place: dict[str, Any] = {name: self.values[name] for name in ("position", "feed", "sequence") if name in self.values}
        return {"code": self.code, **place, "chinese": self.chinese, "english": self.english}
