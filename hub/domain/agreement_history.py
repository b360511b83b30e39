"""What became of an agreement: one fold of its events, shared by the aggregate and the view, and when each version of it holds.

A version is a set of terms that both sides signed. It holds from its first instant until the next version begins, its own end, or the
agreement's; a suspension leaves holes in it. Everything here is by instant: positions say who entered what when.
"""

from typing import NamedTuple

from chuanyu.exchange.v1 import agreement_history_pb2 as stored
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from google.protobuf.message import Message

from hub.domain.instants import microseconds

# Who "drafts" and "signs" what the reference table has on record; no officer may bear this name.
TABLE_OFFICER = "reference-table"
FOREVER_US = 2**62

Pause = tuple[int, int | None]


class Version(NamedTuple):
    """One version in its order of signing, from 1, and the instants between which it holds; no end is None."""

    number: int
    terms: decisions.AgreementTerms
    from_us: int
    to_us: int | None


def evolve(before: stored.AgreementHistory | None, message: Message) -> stored.AgreementHistory:
    """Folds one event of an agreement; total."""
    after = stored.AgreementHistory()
    if before is not None:
        after.CopyFrom(before)
    if isinstance(message, decisions.AgreementDrafted | decisions.AgreementAmendmentDrafted):
        _propose(after, message)
    elif isinstance(message, decisions.AgreementSigned):
        after.proposal.signatures.append(message)
    elif isinstance(message, decisions.AgreementActivated):
        after.agreement_code = message.agreement_code
        after.versions.add(terms=message.terms)
        after.ClearField("proposal")
    elif isinstance(message, decisions.AgreementAmended):
        after.versions.add(terms=message.terms, corrects_record=message.corrects_record)
        after.ClearField("proposal")
    elif isinstance(message, decisions.AgreementSuspended):
        after.pauses.add(from_at=message.from_at, reason_code=message.reason_code)
    elif isinstance(message, decisions.AgreementResumed) and after.pauses:
        after.pauses[-1].until_at.CopyFrom(message.from_at)
    elif isinstance(message, decisions.AgreementEnded):
        after.ended_at.CopyFrom(message.ended_at)
        after.end_reason_code = message.reason_code
    return after


def _propose(after: stored.AgreementHistory, drafted: decisions.AgreementDrafted | decisions.AgreementAmendmentDrafted) -> None:
    """Sets what waits for signatures; an earlier proposal lapses with the signatures it had."""
    if isinstance(drafted, decisions.AgreementDrafted):
        after.agreement_code = drafted.agreement_code
    amendment = len(after.versions)
    after.proposal.CopyFrom(stored.AgreementProposal(terms=drafted.terms, side=drafted.side, officer=drafted.officer, amendment=amendment))
    # Agreements recorded before drafts named their officer all came from the table.
    if drafted.officer in ("", TABLE_OFFICER):
        after.table_terms.CopyFrom(drafted.terms)


def versions(history: stored.AgreementHistory) -> list[Version]:
    """Returns all versions in order of signing, each cut where a later one or the end takes over; one that never holds is empty."""
    ended_us = microseconds(history.ended_at) if history.HasField("ended_at") else FOREVER_US
    spans = cut([_own_span(version) for version in history.versions], ended_us)
    return [
        Version(number, version.terms, from_us, None if to_us == FOREVER_US else to_us)
        for number, (version, (from_us, to_us)) in enumerate(zip(history.versions, spans, strict=True), 1)
    ]


def _own_span(version: stored.AgreementVersion) -> tuple[int, int, bool]:
    own_end = microseconds(version.terms.valid_to) if version.terms.HasField("valid_to") else FOREVER_US
    return microseconds(version.terms.valid_from), own_end, version.corrects_record


def cut(signed: list[tuple[int, int, bool]], ended: int = FOREVER_US) -> list[tuple[int, int]]:
    """Cuts spans, given in order of signing, where a later one or the end takes over; one that never holds comes out empty.

    A span is its beginning, its own end (FOREVER_US for none), and whether it corrects the record: earlier ones were never in force then.
    """
    found: list[tuple[int, int]] = []
    for begins, own_end, corrects_record in reversed(signed):
        found.append((begins, max(min(own_end, ended), begins)))
        ended = 0 if corrects_record else min(ended, begins)
    return found[::-1]


def pauses(history: stored.AgreementHistory) -> tuple[Pause, ...]:
    """Returns the suspensions as instants."""
    return tuple((microseconds(p.from_at), microseconds(p.until_at) if p.HasField("until_at") else None) for p in history.pauses)


def is_suspended(suspended: tuple[Pause, ...], at_us: int) -> bool:
    """Whether an instant lies in one of the suspensions."""
    return any(from_us <= at_us and (until_us is None or at_us < until_us) for from_us, until_us in suspended)


def status(history: stored.AgreementHistory, at_us: int) -> str:
    """Returns DRAFT, SIGNED (not begun yet), ACTIVE, SUSPENDED or ENDED at an instant."""
    if history.HasField("ended_at") and microseconds(history.ended_at) <= at_us:
        return "ENDED"
    if not history.versions:
        return "DRAFT"
    holding = [v for v in versions(history) if v.to_us is None or v.from_us < v.to_us]
    if any(v.from_us <= at_us and (v.to_us is None or at_us < v.to_us) for v in holding):
        return "SUSPENDED" if is_suspended(pauses(history), at_us) else "ACTIVE"
    return "SIGNED" if any(at_us < v.from_us for v in holding) else "ENDED"
