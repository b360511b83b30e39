"""Was a use of a card valid? By what had happened, however late any side reported it; and who bears a use of a lost card [D].

A use between a loss request and its refusal is valid. The liability window of a loss runs from the first report that reached any side to
when the device had a hotlist with the card: within it the device could not know.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hub.domain.card import Fact, PolicyAt
from hub.domain.findings import Use, use_after
from hub.domain.loss import LiabilityWindow, judge_tap, liability_window
from hub.domain.succession import DIED

LOSS_KINDS = frozenset({"loss_request_submitted", "temporary_loss_reported", "formal_loss_reported"})


class Judgement(NamedTuple):
    """What a use is: *code* "" for a valid one; the fact that speaks against it; of a use after a loss also its liability window."""

    code: str = ""
    against: Fact | None = None
    window: LiabilityWindow | None = None
    is_in_window: bool = False


def judge_use(facts: Sequence[Fact], used_us: int, medium: int, policy_at: PolicyAt, hotlist_us: int | None = None) -> Judgement:
    """Judges a use at an instant; *hotlist_us* is when its device had a hotlist with the card, None if it had not."""
    finding = use_after(facts, Use(used_us, 0, medium), policy_at)
    if finding is None:
        return Judgement()
    # A fact of another card is not this one's to show.
    against = next((fact for fact in facts if fact.position == finding.against_position and fact.kind != DIED), None)
    if finding.code != "USE_AFTER_LOSS":
        return Judgement(finding.code, against)
    window = liability_window(_lost_from(facts, used_us, medium, policy_at), hotlist_us)
    return Judgement(finding.code, against, window, judge_tap(used_us, window).is_in_window)


def _lost_from(facts: Sequence[Fact], used_us: int, medium: int, policy_at: PolicyAt) -> int:
    """Returns the first report of the loss that a use came after: the earliest one since which the card was lost without a break."""
    reported = [fact.occurred_us for fact in facts if fact.kind in LOSS_KINDS and fact.occurred_us < used_us]
    from_us = reported[-1] if reported else used_us
    for started_us in reversed(reported):
        if use_after(facts, Use(started_us + 1, 0, medium), policy_at) is None:
            break
        from_us = started_us
    return from_us
