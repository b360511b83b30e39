"""Where operators draft, sign, amend, suspend, resume and end agreements: each act is an event of the agreement's aggregate.

One at a time: that no two agreements overlap is a rule between aggregates, so a change of one takes the lock of all.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from eventsourcing.persistence import IntegrityError
from google.protobuf.message import Message

from hub.domain import reference
from hub.domain.agreement import Agreement, Terms, terms_in
from hub.domain.agreement_history import TABLE_OFFICER
from hub.domain.agreement_rules import check_overlap, check_terms
from hub.domain.errors import AgreementChanged, AgreementExists, AgreementUnknown, OfficerRepeated, RequestInvalid
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore

AGREEMENTS_LOCK = "hub.agreements"


class Officer(NamedTuple):
    """Who acts: the side (50 or 51) and the officer's number there."""

    side: str
    name: str


def all_agreements(store: AggregateStore) -> list[Agreement]:
    """Returns every agreement there is, in the order in which they were drafted."""
    return store.all_begun_with("agreement_drafted", Agreement)


def find_agreement(store: AggregateStore, code: str) -> Agreement:
    """Returns the agreement with a code; raises AgreementUnknown."""
    return _named(code, all_agreements(store))


def others(agreement: Agreement, known: Iterable[Agreement]) -> list[Terms]:
    """Returns what all other agreements say."""
    return [terms for other in known if other.id != agreement.id for terms in terms_in(other.history)]


def draft_agreement(store: AggregateStore, code: str, terms: decisions.AgreementTerms, by: Officer, at: datetime) -> int:
    """Drafts an agreement, or drafts again one that is not signed by both sides; returns the position."""
    drafted = decisions.AgreementDrafted(agreement_code=code, terms=terms, side=by.side, officer=by.name)
    _check_draft(drafted, terms, by)
    with _alone(store):
        same = [agreement for agreement in all_agreements(store) if agreement.code == code]
        if same:
            if same[0].history.HasField("table_terms"):
                raise AgreementExists(agreement=code)
            same[0].redraft(drafted, at)
            return store.save(same[0])[-1]
        return store.save(Agreement.begin("agreement_drafted", drafted, Agreement.create_drafted_id(code), at))[-1]


def sign_agreement(store: AggregateStore, code: str, signed: decisions.AgreementSigned, at: datetime) -> int:
    """Signs for one side what waits; the second signature makes it hold, unless it overlaps another agreement. Returns the position."""
    refuse_invalid(signed)
    refuse_identifiers(signed, "maker", "checker")
    if TABLE_OFFICER in (signed.maker, signed.checker):
        raise OfficerRepeated(field="maker" if signed.maker == TABLE_OFFICER else "checker", rule="no_person")
    with _alone(store):
        known = all_agreements(store)
        agreement = _named(code, known)
        agreement.sign(signed, at)
        if not agreement.missing_sides():
            check_overlap(terms_in(agreement.history), others(agreement, known))
        return store.save(agreement)[-1]


def amend_agreement(store: AggregateStore, code: str, terms: decisions.AgreementTerms, by: Officer, at: datetime) -> int:
    """Drafts an amendment; returns the position."""
    drafted = decisions.AgreementAmendmentDrafted(terms=terms, side=by.side, officer=by.name)
    _check_draft(drafted, terms, by)
    with _changing(store, code) as agreement:
        agreement.draft_amendment(drafted, at)
        return store.save(agreement)[-1]


def suspend_agreement(store: AggregateStore, code: str, suspended: decisions.AgreementSuspended, at: datetime) -> int:
    """Suspends an agreement from an instant; returns the position."""
    return _decided(store, code, suspended, lambda agreement: agreement.suspend(suspended, at))


def resume_agreement(store: AggregateStore, code: str, resumed: decisions.AgreementResumed, at: datetime) -> int:
    """Lets a suspended agreement hold again from an instant; returns the position."""
    return _decided(store, code, resumed, lambda agreement: agreement.resume(resumed, at))


def end_agreement(store: AggregateStore, code: str, ended: decisions.AgreementEnded, at: datetime) -> int:
    """Ends an agreement at an instant, or withdraws a draft; returns the position."""
    return _decided(store, code, ended, lambda agreement: agreement.end(ended, at))


def _decided(store: AggregateStore, code: str, message: Message, decide: Callable[[Agreement], None]) -> int:
    refuse_invalid(message)
    refuse_identifiers(message, "reason_code")
    with _changing(store, code) as agreement:
        decide(agreement)
        return store.save(agreement)[-1]


def _check_draft(drafted: Message, terms: decisions.AgreementTerms, by: Officer) -> None:
    refuse_invalid(drafted)
    refuse_identifiers(drafted, "officer")
    if by.side not in ("50", "51"):
        raise RequestInvalid([("side", "string.in")])
    if by.name in ("", TABLE_OFFICER):
        raise RequestInvalid([("officer", "required")])
    check_terms(terms, reference.load())


def _named(code: str, known: Iterable[Agreement]) -> Agreement:
    for agreement in known:
        if agreement.code == code:
            return agreement
    raise AgreementUnknown(agreement=code)


@contextmanager
def _changing(store: AggregateStore, code: str) -> Iterator[Agreement]:
    with _alone(store):
        yield find_agreement(store, code)


@contextmanager
def _alone(store: AggregateStore) -> Iterator[None]:
    """Holds the lock of all agreements; raises AgreementChanged where someone else was first all the same."""
    try:
        with store.alone(AGREEMENTS_LOCK):
            yield
    except (IntegrityError, psycopg.errors.LockNotAvailable):
        raise AgreementChanged from None
