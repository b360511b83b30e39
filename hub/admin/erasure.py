"""Where operators have identifiers erased: one takes the request, another decides, and what must be kept is kept."""

from datetime import datetime
from itertools import starmap

import psycopg
from chuanyu.exchange.v1 import erasure_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.domain.card import policies_of, standing
from hub.domain.erasure import (
    Erasure,
    ErasureNotAtRest,
    ErasureUnknown,
    IdentifierErasedAlready,
    IdentifierUnknown,
    RetentionRuns,
)
from hub.domain.instants import microseconds_of
from hub.domain.pseudonym import hmac_sm3
from hub.domain.reference import Reference
from hub.domain.retention import Mentioned, Running, running
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.archived import asked, pages_back
from hub.journal.recorder import AggregateStore
from hub.journal.tombstones import bury, holding
from hub.journal.vault import open_identifiers
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_standing import facts_of
from hub.projections.views.person_cards import held_of
from hub.trust.keyring import Keyring, verify_fingerprint

_AT_ITS_END = (None, "CANCELLED", "REJECTED", "PRODUCTION_FAILED")
# What the hub records of looks, bundles and erasures is no reason to keep the identifier: curiosity would prolong it.
_OWN_KINDS = ("card_record_queried", "bundle_made", "audit_requested", "erasure_requested", "identifier_erased")


class ErasureDesk:
    """Works on one connection; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore, keyring: Keyring, reference: Reference) -> None:
        """*connection* may append and open the vault; raises KeyMismatch when the keys are not the database's."""
        verify_fingerprint(connection, keyring)
        self._connection, self._store, self._keyring, self._reference = connection, store, keyring, reference

    def request(self, requested: protos.ErasureRequested, named: list[str], at: datetime) -> Erasure:
        """Records a request for an identifier by its names, such as card|51|S00000123; other identifiers of a card go with it.

        Raises IdentifierUnknown, IdentifierErasedAlready or RequestInvalid.
        """
        asked = [hmac_sm3(self._keyring.pseudonym, name.encode()) for name in named]
        keys = dict.fromkeys(asked + [key for one in asked for key in identifiers_of(self._connection, one)])
        rows = self._connection.execute("SELECT key, sealed IS NULL FROM vault.identifier WHERE key = ANY (%s)", (list(keys),)).fetchall()
        is_erased = {bytes(key): gone for key, gone in rows}
        requested.identifier_keys[:] = [key for key in keys if is_erased.get(key) is False] or list(keys)[:1]
        refuse_invalid(requested)
        refuse_identifiers(requested, "operator")
        if not any(key in is_erased for key in asked):
            raise IdentifierUnknown
        if all(is_erased.get(key, True) for key in asked):
            raise IdentifierErasedAlready
        erasure = Erasure.begin("erasure_requested", requested, Erasure.create_id(requested.erasure_code), at)
        self._store.save(erasure)
        return erasure

    def all(self) -> list[Erasure]:
        """Returns every erasure, in the order in which they were asked for."""
        return self._store.all_begun_with("erasure_requested", Erasure)

    def find(self, code: str) -> Erasure:
        """Returns an erasure; raises ErasureUnknown."""
        erasure = self._store.get(Erasure, Erasure.create_id(code))
        if erasure is None:
            raise ErasureUnknown
        return erasure

    def obligations(self, erasure: Erasure, at: datetime) -> list[Running]:
        """Returns what the identifiers must still be kept for. It reads the whole journal: seconds for a million events."""
        said, run = {"keys": erasure.keys, "own": list(_OWN_KINDS)}, (1, 2**62)
        rows, away = asked(self._connection, [run], lambda: self._connection.execute(_MENTIONED, said).fetchall())
        mentioned: dict[str, int] = dict(rows)
        for page in pages_back(away, run):
            for one in page:
                if one.kind not in _OWN_KINDS and any(key in one.data for key in erasure.keys):
                    mentioned[one.kind] = max(one.occurred_us, mentioned.get(one.kind, 0))
        return running(starmap(Mentioned, mentioned.items()), at, is_card_in_force=self._is_card_in_force(erasure, at))

    def approve(self, code: str, operator: str, at: datetime) -> Erasure:
        """Approves an erasure, records it, and erases; raises ErasureDecided, ErasureSamePerson or RetentionRuns, and nothing is erased."""
        erasure = self.find(code)
        erasure.check_open_for(operator)
        refuse_invalid(approved := protos.ErasureApproved(operator=operator))
        refuse_identifiers(approved, "operator")
        if obligations := self.obligations(erasure, at):
            raise RetentionRuns(obligations)
        clear = [name.rpartition("|")[2].encode() for name in open_identifiers(self._connection, self._keyring, erasure.keys).values()]
        erasure.approve(operator, holding(self._connection, self._keyring, clear), at)
        self._save(erasure)
        bury(self._connection)
        return erasure

    def refuse(self, code: str, operator: str, reason_code: str, at: datetime) -> Erasure:
        """Refuses an erasure; raises ErasureDecided or ErasureSamePerson."""
        refuse_invalid(refused := protos.ErasureRefused(operator=operator, reason_code=reason_code))
        refuse_identifiers(refused, "operator", "reason_code")
        erasure = self.find(code)
        erasure.refuse(operator, reason_code, at)
        self._save(erasure)
        return erasure

    def _save(self, erasure: Erasure) -> None:
        try:
            self._store.save(erasure)
        except IntegrityError:
            raise ErasureNotAtRest from None

    def _is_card_in_force(self, erasure: Erasure, at: datetime) -> bool:
        """Whether one of the identifiers names a card that is not at its end, or who holds one."""
        held = self._connection.execute("SELECT cards FROM views.person_cards WHERE key = ANY (%s)", (erasure.keys,)).fetchall()
        cards = [[bytes.fromhex(card.card)] for (text,) in held for card in held_of(text)]
        return any(self._is_in_force(keys, microseconds_of(at)) for keys in (erasure.keys, *cards))

    def _is_in_force(self, keys: list[bytes], at_us: int) -> bool:
        rows = self._connection.execute(_FACTS, {"keys": keys}).fetchall()
        facts = sorted((fact for _, text in rows for fact in facts_of(text)), key=lambda fact: (fact.occurred_us, fact.position))
        return bool(facts) and standing(facts, at_us, policies_of(self._reference, rows[0][0])).social_status not in _AT_ITS_END


_FACTS = """
    SELECT issuing_province, facts FROM views.card_standing WHERE key = ANY (%(keys)s::bytea[])
        OR key IN (SELECT card_key FROM views.card_alias WHERE key = ANY (%(keys)s::bytea[]))"""
_MENTIONED = """
    SELECT e.kind, (extract(epoch FROM max(COALESCE(e.occurred_at, e.recorded_at))) * 1000000)::bigint FROM journal.event e
    WHERE e.kind <> ALL (%(own)s::text[]) AND EXISTS (SELECT FROM unnest(%(keys)s::bytea[]) k WHERE position(k IN e.data) > 0)
    GROUP BY 1"""
