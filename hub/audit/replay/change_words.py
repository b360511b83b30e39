"""What a branch changes, in words: each change by what it is, what it was, and what it is under the branch."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hub.audit.outcome import Text
from hub.audit.replay import said
from hub.domain.agreement import Terms
from hub.domain.instants import in_local
from hub.words.parameters import PARAMETERS

_MOST_VERSIONS, _MOST_SCENARIOS = 4, 6
GONE = Text("去掉", "taken away")
NONE_YET = Text("无（新增）", "none (a further one)")


class Change(NamedTuple):
    """One change: of what, from what, to what."""

    what: Text
    before: Text
    after: Text


def parameter_name(name: str) -> Text:
    """Returns a parameter in words, with its name in policy.csv."""
    zh, en = PARAMETERS.get(name, ("参数", "parameter"))
    return Text(f"{zh}（{name}）", f"{en} ({name})")


def terms_words(versions: Sequence[Terms]) -> Text:
    """Returns terms in words: code, scenarios and days of each version, of many only the last of them."""
    shown = [_version(one) for one in versions[-_MOST_VERSIONS:]]
    left_out = len(versions) - len(shown)
    zh, en = "；".join(one.zh for one in shown), "; ".join(one.en for one in shown)
    return Text(f"{zh}；另有 {left_out} 个版本", f"{en}; {left_out} further versions") if left_out else Text(zh, en)


def _version(terms: Terms) -> Text:
    scenarios, begin = _scenarios(sorted(terms.scenarios)), _day(terms.from_us)
    zh, en = f"{terms.code}：{scenarios.zh}，自 {begin}", f"{terms.code}: {scenarios.en}, from {begin}"
    if terms.to_us is None:
        return Text(zh, en)
    return Text(f"{zh} 至 {_day(terms.to_us)}（不含）", f"{en} to {_day(terms.to_us)} (not with that day)")


def _scenarios(codes: Sequence[str]) -> Text:
    shown, more = joined(map(said.scenario, codes[:_MOST_SCENARIOS])), len(codes) - _MOST_SCENARIOS
    return shown if more < 1 else Text(f"{shown.zh}等 {len(codes)} 个场景", f"{shown.en} and {more} further scenarios")


def joined(texts: Iterable[Text]) -> Text:
    """Returns texts as one list."""
    some = list(texts)
    return Text("、".join(one.zh for one in some), ", ".join(one.en for one in some))


def _day(at_us: int) -> str:
    local = in_local(at_us)
    return local.strftime("%Y-%m-%d" if (local.hour, local.minute, local.second) == (0, 0, 0) else "%Y-%m-%d %H:%M:%S")
