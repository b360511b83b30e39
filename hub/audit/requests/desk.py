"""Where audits are asked for, decided, called off and handed over: commands, the API and the console come here.

Requests are numbered 1, 2, 3 … and the stream of each follows from its number (`reading`).
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.audit.requests import reading
from hub.audit.requests.rights import card_in
from hub.domain.audit_errors import AuditChanged
from hub.domain.audit_request import AuditRequest, code_of, digest_of
from hub.domain.instants import microseconds_of
from hub.domain.participant import OPERATOR
from hub.domain.pseudonym import hmac_sm3
from hub.intake.request_rules import card_named, refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.trust.keyring import Keyring

# Two who ask at the same moment get two numbers; this many at once is no moment any more.
_TRIES = 20


class Asking:
    """What somebody asks for: the question, the purpose and the legal basis, in words."""

    def __init__(self, question: questions.AuditQuestion, purpose: str, legal_basis: str) -> None:
        """What surrounds words is nothing of them."""
        self.question, self.purpose, self.legal_basis = question, purpose.strip(), legal_basis.strip()


class AuditDesk:
    """Works on one session and one store; used from one thread."""

    def __init__(self, dsn: str, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads the journal of *dsn*."""
        self._dsn, self._connection, self._store = dsn, connection, store

    def request(self, asking: Asking, by: protos.AuditPerson, keyring: Keyring, at: datetime) -> AuditRequest:
        """Records a request; raises RequestInvalid, what `questions.check` raises of its question, or AuditChanged."""
        # What carries questions out brings much with it: an edge needs it once somebody asks.
        from hub.audit.replay.questions import check

        question = keyed(asking.question, keyring)
        requested = protos.AuditRequested(
            audit_code=code_of(1), by=by, purpose=asking.purpose, legal_basis=asking.legal_basis,
            question=question, question_digest=digest_of(question),
        )  # fmt: skip
        refuse_invalid(requested)
        refuse_identifiers(requested, "purpose", "legal_basis")
        _refuse_name(by)
        _refuse_texts(question)
        check(self._dsn, self._connection, question, microseconds_of(at))
        for _ in range(_TRIES):
            code = requested.audit_code = code_of(reading.REQUESTS.count(self._connection) + 1)
            try:
                self._store.save(AuditRequest.begin("audit_requested", requested, AuditRequest.create_id(code), at))
            except IntegrityError:
                continue
            return self.find(code)
        raise AuditChanged

    def find(self, code: str) -> AuditRequest:
        """Returns a request; raises AuditUnknown."""
        return reading.find(self._connection, code)

    def newest(self, most: int = 100, before: int = 0) -> list[AuditRequest]:
        """Returns requests, the newest first; those before a number, if one is given."""
        return reading.newest(self._connection, most, before)

    def approve(self, code: str, by: protos.AuditPerson, at: datetime, *, same_login: bool = False) -> AuditRequest:
        """Approves a request; raises AuditUnknown, AuditDecided, AuditSamePerson, AuditSameLogin or AuditChanged."""
        _refuse_name(by)
        return self.change(code, lambda audit: audit.approve(by, at, same_login=same_login))

    def refuse(self, code: str, by: protos.AuditPerson, reason_code: str, at: datetime) -> AuditRequest:
        """Refuses a request; raises as `approve`, and RequestInvalid."""
        _refuse_name(by)
        refused = protos.AuditRefused(by=by, reason_code=reason_code)
        refuse_invalid(refused)
        refuse_identifiers(refused, "reason_code")
        return self.change(code, lambda audit: audit.refuse(by, reason_code, at))

    def cancel(self, code: str, by: protos.AuditPerson, at: datetime) -> AuditRequest:
        """Calls a request off; raises AuditUnknown, AuditOver or AuditChanged. Who runs it notices within a second."""
        _refuse_name(by)
        return self.change(code, lambda audit: audit.cancel(by, at))

    def show(self, code: str, by: protos.AuditPerson, part: protos.AuditPart.ValueType, at: datetime) -> AuditRequest:
        """Records who is given what, and only then it may be given; raises AuditUnknown, AuditNotDelivered or AuditChanged."""
        _refuse_name(by)
        for _ in range(_TRIES):
            # Several may look at once.
            with suppress(AuditChanged):
                return self.change(code, lambda audit: audit.show(by, part, at))
        raise AuditChanged

    def change(self, code: str, change: Callable[[AuditRequest], None]) -> AuditRequest:
        """Changes a request and returns it as it is recorded; raises AuditUnknown, AuditChanged or what *change* does."""
        audit = self.find(code)
        change(audit)
        try:
            self._store.save(audit)
        except IntegrityError:
            raise AuditChanged from None
        return self.find(code)


@contextmanager
def opened(dsn: str, connection: psycopg.Connection) -> Iterator[AuditDesk]:
    """Opens the desk on a session that reads, with a store of its own."""
    with closing(AggregateStore(dsn)) as store:
        yield AuditDesk(dsn, connection, store)


def keyed(question: questions.AuditQuestion, keyring: Keyring) -> questions.AuditQuestion:
    """Returns a question with the card that it names by its key; raises RequestInvalid for a number that is none."""
    made = questions.AuditQuestion()
    made.CopyFrom(question)
    if (card := card_in(made)) is not None and card.clear:
        card.key = hmac_sm3(keyring.pseudonym, card_named(card).encode())
    return made


def of_operator(name: str, login: str = "") -> protos.AuditPerson:
    """Returns an operator of the hub's as who acts, with the login that the name was typed by."""
    return protos.AuditPerson(participant=OPERATOR, name=name, login=login)


def _refuse_name(by: protos.AuditPerson) -> None:
    refuse_invalid(by)
    refuse_identifiers(by, "name", "login")


def _refuse_texts(question: questions.AuditQuestion) -> None:
    """Raises RequestInvalid for an identifier in a number or in words of a what-if: they are recorded for good, outside the vault."""
    asked = getattr(question, str(question.WhichOneof("asked")))
    refuse_invalid(asked, *(field.name for field in asked.DESCRIPTOR.fields if field.type == field.TYPE_STRING and not field.is_repeated))
    for change in question.what_if.changes if question.HasField("what_if") else ():
        refuse_invalid(change, "branch")
        if change.HasField("agreement"):
            refuse_invalid(change.agreement, "agreement_code")
            if change.agreement.HasField("terms"):
                refuse_invalid(change.agreement.terms, "legal_basis", "source")
