"""A loss across provinces: one side asks, the hub blocks at once and forwards, the issuer answers, the block is lifted, always.

One loss for each card, kind of loss and local day, however many sides report it: a second request is answered "already". The block denies
online decisions and never alters the card's own status; only the issuer does that. The loss is effective from the first report that
reached any side (L7 to L10) [D].
"""

from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.aggregate import HubAggregate
from hub.domain.instants import epoch_day, instant, microseconds, timestamp

_PREFIX = "LOSS_OUTCOME_"

# Which reports of the issuer's confirm a request of a kind: a formal loss is more than a temporary one, not less.
CONFIRMED_BY = {
    control.LOSS_TYPE_TEMPORARY: frozenset({"temporary_loss_reported", "formal_loss_reported"}),
    control.LOSS_TYPE_FORMAL: frozenset({"formal_loss_reported"}),
}
# In which standings of the card a request of a kind finds nothing more to do.
_LOST_ALREADY = {
    control.LOSS_TYPE_TEMPORARY: frozenset({"TEMP_LOST", "FORMALLY_LOST", "CANCELLED"}),
    control.LOSS_TYPE_FORMAL: frozenset({"FORMALLY_LOST", "CANCELLED"}),
}


class Report(NamedTuple):
    """An event of a province's: its name and position, and when it happened, in microseconds since 1970."""

    feed: str
    sequence: int
    position: int
    occurred_us: int

    @property
    def ref(self) -> references.EventRef:
        """The event's name as a message."""
        return references.EventRef(feed=self.feed, sequence=self.sequence)


def is_lost_already(loss_type: int, social_status: str | None) -> bool:
    """Whether a card in this standing needs no loss of this kind any more."""
    return social_status in _LOST_ALREADY[control.LossType.ValueType(loss_type)]


class Loss(HubAggregate):
    """Requested, blocked and forwarded; then confirmed, refused, expired or withdrawn. *state* is OPEN or the outcome."""

    def __init__(self, opened: decisions.LossOpened) -> None:
        """Starts from the first request."""
        self.card = opened.card
        self.service_region = opened.accepted_at_region
        self.loss_type = opened.loss_type
        self.effective_us = microseconds(opened.requested_at)
        self.requests = [_report(opened.request, opened.request_position, self.effective_us)]
        self._opened = 0
        self.state = "OPEN"
        self.block_expires_us: int | None = None
        self.is_forwarded = False

    @staticmethod
    def create_id(card_key: bytes, loss_type: int, requested_us: int, blind: bytes = b"") -> UUID:
        """The id follows from card, kind, local day (+08:00), and what blinds the first request.

        Streams are named by it, and everybody sees their names in the log: without the *blind*, as losses were named once, who has the key
        of a card could test on which days it was reported lost.
        """
        day, blinded = epoch_day(requested_us), f":{blind.hex()}" if blind else ""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:loss:{card_key.hex()}:{loss_type}:{day}{blinded}")

    def is_of_day(self, requested_us: int) -> bool:
        """Whether a request of this instant joins this loss: it was opened on the same local day."""
        return epoch_day(self.requests[0].occurred_us) == epoch_day(requested_us)

    @classmethod
    def open(cls, card: references.CardRef, loss_type: int, region: str, request: Report, blind: bytes = b"") -> "Loss":
        """Opens a loss for the first request of its card, kind and day; *blind* is that request's."""
        opened = decisions.LossOpened(
            card=card,
            loss_type=control.LossType.ValueType(loss_type),
            request=request.ref,
            request_position=request.position,
            requested_at=timestamp(request.occurred_us),
            accepted_at_region=region,
        )
        loss_id = cls.create_id(card.key, loss_type, request.occurred_us, blind)
        return cls.begin("loss_opened", opened, loss_id, instant(request.occurred_us))

    @property
    def opener(self) -> Report:
        """The request that opened the loss last."""
        return self.requests[self._opened]

    def knows(self, request: Report) -> bool:
        """Whether a request is one of this loss's."""
        return any(known.position == request.position for known in self.requests)

    def repeat(self, request: Report, *, is_lost: bool) -> bool:
        """Takes another request for the same loss; returns whether it opens the loss again, False for the answer "already".

        A loss that was closed opens again unless the card *is_lost*: refused in the morning, asked for with better proof at noon.
        """
        if self.knows(request):
            return False
        reopens = self.state != "OPEN" and not is_lost
        repeated = decisions.LossRequestRepeated(
            request=request.ref, request_position=request.position, requested_at=timestamp(request.occurred_us), reopens=reopens
        )
        self.record("loss_request_repeated", repeated, instant(request.occurred_us))
        return reopens

    def place_block(self, expires_us: int) -> bool:
        """Denies online decisions from the request on until *expires_us*; a block in force is left as it is."""
        if self.state != "OPEN" or self.block_expires_us is not None:
            return False
        placed = control.ProvisionalBlockPlaced(
            request=self.opener.ref,
            expires_at=timestamp(expires_us),
            request_position=self.opener.position,
            loss_type=control.LossType.ValueType(self.loss_type),
        )
        self.record("provisional_block_placed", placed, instant(self.opener.occurred_us))
        return True

    def forward(self, at_us: int) -> bool:
        """Notes that the issuer is asked; once for each time the loss is opened."""
        if self.state != "OPEN" or self.is_forwarded:
            return False
        self.record("loss_request_forwarded", control.LossRequestForwarded(request=self.opener.ref), instant(at_us))
        return True

    def confirm_at_once(self, lost_since_us: int) -> bool:
        """Closes a loss of a card that its issuer had as lost before the request came: success, with a note."""
        return self._close("CONFIRMED", self.opener.occurred_us, was_lost_already=True, effective_us=lost_since_us)

    def confirm(self, answer: Report, kind: str) -> bool:
        """Takes the issuer's own report of the loss, also after the block ran out; one that does not cover the request changes nothing."""
        if kind not in CONFIRMED_BY[self.loss_type] or not self._is_answer(answer):
            return False
        return self._close("CONFIRMED", answer.occurred_us, answer, effective_us=answer.occurred_us)

    def refuse(self, answer: Report, reason_code: str) -> bool:
        """Takes the issuer's refusal."""
        return self._is_answer(answer) and self._close("REFUSED", answer.occurred_us, answer, reason_code)

    def withdraw(self, answer: Report) -> bool:
        """Takes back the only request; what another side asks for too, or was closed otherwise, stays."""
        is_only_one = self._opened == len(self.requests) - 1
        return is_only_one and self.state == "OPEN" and self._is_answer(answer) and self._close("WITHDRAWN", answer.occurred_us, answer)

    def expire(self, now_us: int) -> bool:
        """Ends the wait for the issuer if the block has run out."""
        if self.state != "OPEN" or self.block_expires_us is None or now_us < self.block_expires_us:
            return False
        return self._close("EXPIRED", self.block_expires_us)

    def _is_answer(self, answer: Report) -> bool:
        """Whether an event came after the request and finds the loss open, or expired: the issuer may be late."""
        return self.state in ("OPEN", "EXPIRED") and answer.position > self.opener.position

    def _close(
        self,
        outcome: str,
        at_us: int,
        answer: Report | None = None,
        reason_code: str = "",
        *,
        was_lost_already: bool = False,
        effective_us: int | None = None,
    ) -> bool:
        closed = decisions.LossClosed(
            outcome=decisions.LossOutcome.Value(_PREFIX + outcome),
            reason_code=reason_code,
            was_lost_already=was_lost_already,
            effective_at=timestamp(min(self.effective_us, self.effective_us if effective_us is None else effective_us)),
        )
        if answer is not None:
            closed.answer.CopyFrom(answer.ref)
        # By the facts' own order the end comes after every request, whatever the clocks of the sides say.
        at = instant(max(at_us, *(request.occurred_us for request in self.requests)))
        self.record("loss_closed", closed, at)
        self._lift(at)
        return True

    def _lift(self, at: datetime) -> None:
        if self.block_expires_us is not None:
            lifted = control.ProvisionalBlockLifted(
                request=self.opener.ref, cause_code=self.state, request_positions=sorted(request.position for request in self.requests)
            )
            self.record("provisional_block_lifted", lifted, at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, decisions.LossRequestRepeated):
            requested_us = microseconds(message.requested_at)
            self.requests.append(_report(message.request, message.request_position, requested_us))
            self.effective_us = min(self.effective_us, requested_us)
            if message.reopens:
                self._opened, self.state, self.is_forwarded = len(self.requests) - 1, "OPEN", False
        elif isinstance(message, control.ProvisionalBlockPlaced):
            self.block_expires_us = microseconds(message.expires_at)
        elif isinstance(message, control.ProvisionalBlockLifted):
            self.block_expires_us = None
        elif isinstance(message, decisions.LossClosed):
            self.state = outcome_of(message)
            self.effective_us = microseconds(message.effective_at)
        elif kind == "loss_request_forwarded":
            self.is_forwarded = True


class LiabilityWindow(NamedTuple):
    """From the first report of the loss to when the device knew of it (None: it does not yet), in microseconds since 1970."""

    from_us: int
    to_us: int | None

    def holds(self, at_us: int) -> bool:
        """Whether an instant lies inside."""
        return self.from_us <= at_us and (self.to_us is None or at_us < self.to_us)


class TapFinding(NamedTuple):
    """What an offline use of a lost card is: *code* is "" for a valid one; *is_in_window* whether the device could not know."""

    code: str
    is_in_window: bool


def liability_window(effective_us: int, hotlist_effective_us: int | None) -> LiabilityWindow:
    """Returns when uses at a device are disputable: the loss was reported, and the device's hotlist did not have it yet.

    *hotlist_effective_us* is when the hotlist that names the card took effect on the device, None if it has not.
    """
    to_us = None if hotlist_effective_us is None else max(effective_us, hotlist_effective_us)
    return LiabilityWindow(effective_us, to_us)


def judge_tap(tapped_us: int, window: LiabilityWindow) -> TapFinding:
    """Distinguishes a valid use from a use after loss, by when the use happened, however late it is reported."""
    if tapped_us < window.from_us:
        return TapFinding("", False)
    return TapFinding("USE_AFTER_LOSS", window.holds(tapped_us))


def outcome_of(closed: decisions.LossClosed) -> str:
    """Returns how a loss ended, such as CONFIRMED."""
    return decisions.LossOutcome.Name(closed.outcome).removeprefix(_PREFIX)


def _report(ref: references.EventRef, position: int, occurred_us: int) -> Report:
    return Report(ref.feed, ref.sequence, position, occurred_us)
