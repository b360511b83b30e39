"""What a branch changes, in words: each change by what it is, what it was, and what it is under the branch."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from hub.audit.outcome import Line, Text
from hub.audit.replay import said
from hub.domain.agreement import Terms
from hub.domain.instants import in_local
from hub.words.parameters import PARAMETERS

_MOST_VERSIONS, _MOST_SCENARIOS, _MOST_OF_A_VALUE = 4, 6, 40
GONE = Text("去掉", "taken away")
NONE_YET = Text("无（新增）", "none (a further one)")


class Changing(Protocol):
    """A branch as far as it is said in words."""

    @property
    def name(self) -> str:
        """Its name, empty if it has none."""

    @property
    def changes(self) -> Sequence["Change"]:
        """What it changes."""


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


def names_of(branches: Sequence[Changing]) -> list[Text]:
    """Returns what branches are called: by number and name where there are several."""
    if len(branches) == 1:
        return [Text("改动后", "the change")]
    names = (f" {branch.name}" if branch.name else "" for branch in branches)
    return [Text(f"改动 {number}{name}", f"change {number}{name}") for number, name in enumerate(names, 1)]


def change_lines(branches: Sequence[Changing], names: Sequence[Text]) -> list[Line]:
    """Returns what each branch changes, a line each."""
    titles = [Text("改动", "Change")] if len(branches) == 1 else [Text(name.zh, name.en.capitalize()) for name in names]
    return [Line(title, _in_words(change)) for branch, title in zip(branches, titles, strict=True) for change in branch.changes]


def asked_in_words(period: Text, branches: Sequence[Changing]) -> Text:
    """Returns the question of a what-if: one change by what it is, several by their number."""
    if not branches:
        return Text(f"{period.zh} 的答复，规则不变重新裁决，有哪些不同？", f"Which answers of {period.en} are others by the same rules?")
    changes = [change for branch in branches for change in branch.changes]
    if len(changes) == 1 and (one := _condition(changes[0])) is not None:
        return Text(f"{period.zh} 的答复，若{one.zh}，有哪些会不同？", f"Which answers of {period.en} would be others {one.en}?")
    count = len(branches)
    if count == 1:
        zh, en = "若作下列改动", "under the changes below"
        return Text(f"{period.zh} 的答复，{zh}，有哪些会不同？", f"Which answers of {period.en} would be others {en}?")
    return Text(
        f"{period.zh} 的答复，若分别作下列 {count} 组改动，有哪些会不同？",
        f"Which answers of {period.en} would be others under each of the {count} changes below?",
    )


def _condition(change: Change) -> Text | None:
    """Returns a change as a condition, None for one with too many words."""
    if change.after == GONE:
        return Text(f"没有{change.what.zh}", f"without {change.what.en}")
    if max(len(change.before.zh), len(change.after.zh)) > _MOST_OF_A_VALUE:
        return None
    was, now = change.before, change.after
    return Text(f"将{change.what.zh}由 {was.zh} 改为 {now.zh}", f"with {change.what.en} {now.en} and not {was.en}")


def _in_words(change: Change) -> Text:
    what, was, now = change
    if now == GONE:
        return Text(f"{what.zh}：{GONE.zh}（原为 {was.zh}）", f"{what.en}: {GONE.en} (was {was.en})")
    return Text(f"{what.zh}：原为 {was.zh}；改为 {now.zh}", f"{what.en}: was {was.en}; becomes {now.en}")


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
