"""Words that outcomes of replays share: instants, answers, what a card is, in Chinese and in English."""

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.audit.outcome import Text
from hub.domain import reference
from hub.domain.instants import in_local
from hub.words.kinds import KINDS, OUTCOME_WORDS
from hub.words.names import GROUPS
from hub.words.outcomes import outcome_name
from hub.words.seen import STATES

NOTHING = Text("无", "nothing")


def at(us: int) -> str:
    """Writes an instant in +08:00."""
    return in_local(us).isoformat(sep=" ", timespec="seconds")


def kind(name: str) -> Text:
    """Returns the words of a kind of event."""
    return Text(*KINDS.get(name, (name, name)))


def state(name: str) -> Text:
    """Returns the words of a state of a card."""
    return Text(*STATES.get(name, (name, name))) if name else Text("—", "—")


def scenario(code: str) -> Text:
    """Returns the words of a scenario, or of a group such as CUL.LIB.*, with its code."""
    known = reference.load().scenarios.get(code)
    zh, en = (known[-1].name_zh, known[-1].name_en) if known else GROUPS.get(code.partition(".")[0], ("场景", "scenario"))
    return Text(f"{zh}（{code}）", f"{en} ({code})")


def answer(outcome: str, reasons: tuple[str, ...]) -> Text:
    """Writes an answer with its reasons."""
    zh, en = OUTCOME_WORDS.get(outcome, (outcome, outcome))
    codes = " ".join(reasons)
    return Text(f"{zh} {codes}".strip(), f"{en} {codes}".strip())


def given(decision: decisions.DecisionMade) -> Text:
    """Writes a recorded answer."""
    return answer(outcome_name(decision.outcome), tuple(decision.reason_codes))
