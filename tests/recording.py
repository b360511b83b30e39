"""Puts events straight into a journal, as an edge does once it has checked them: key arms, digests, corrections, one group a call."""

import contextlib
import hashlib
from datetime import UTC, datetime
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, control_pb2, event_pb2, references_pb2
from chuanyu.exchange.v1 import usage_government_pb2 as government
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from psycopg import pq

from hub.admin.registry import register_participant
from hub.journal.batch import Appended, Batch, pack_tail
from hub.journal.group import commit_group
from hub.journal.recorder import AggregateStore
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION

SICHUAN, CHONGQING = "urn:chuanyu:participant:sc.card-center", "urn:chuanyu:participant:cq.card-center"
OWNERS = {"sc.card-center": SICHUAN, "sc.usage": SICHUAN, "cq.card-center": CHONGQING, "cq.usage": CHONGQING}
# 2025-09-01 09:30:15 in +08:00.
AT_S = 1_756_690_215


class Recording:
    """The four feeds of the provinces in a database of a test; each append goes on where its feed ends."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._connection = pq.PGconn.connect(dsn.encode())
        feeds = ", ".join(f"('{name}', '{owner}', true, 1)" for name, owner in OWNERS.items())
        run(
            self._connection,
            f"INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES {feeds} ON CONFLICT DO NOTHING".encode(),
        )
        found = run(self._connection, b"SELECT name, stream_id, next_sequence FROM journal.stream")
        rows = [[(found.get_value(row, column) or b"").decode() for column in range(3)] for row in range(found.ntuples)]
        self.streams = {name: int(stream_id) for name, stream_id, _ in rows}
        self._next = {name: int(following) for name, _, following in rows if name in OWNERS}
        run(self._connection, SESSION.encode())

    def append(self, *events: event_pb2.Event, feed: str = "cq.usage") -> list[int]:
        """Appends a batch and returns its positions."""
        tails, digests, corrections = [], [], []
        for offset, event in enumerate(events):
            data, at = event.SerializeToString(), event.occurred_at
            digests.append(hashlib.sha256(data).digest())
            kind = event.WhichOneof("kind") or ""
            tails.append(pack_tail(at.seconds * 1_000_000 + at.nanos // 1_000, kind.encode(), digests[-1], data))
            for name in ("corrects", "reverses"):
                if event.HasField(name):
                    target = getattr(event, name)
                    corrections.append((offset, self.streams[target.feed], target.sequence))
        batch = Batch(self.streams[feed], OWNERS[feed], self._next[feed], tails, digests, corrections=corrections)
        [outcome] = commit_group(self._connection, [batch])
        assert isinstance(outcome, Appended), outcome
        self._next[feed] += len(events)
        return list(outcome.positions)

    def next_sequence(self, feed: str) -> int:
        """The number that the next event of a feed gets."""
        return self._next[feed]

    def close(self) -> None:
        """Closes the connection."""
        self._connection.finish()


def register_owners(dsn: str) -> None:
    """Registers both provinces with the feeds of a Recording, in two events: before the first append, or after the last."""
    with contextlib.closing(AggregateStore(dsn)) as store:
        for province, owner in (("51", SICHUAN), ("50", CHONGQING)):
            feeds = [feed for feed, one in OWNERS.items() if one == owner]
            register_participant(store, owner, province, owner, feeds, datetime.now(UTC))


def key_of(identifier: str) -> bytes:
    """Takes the place of the hub's key of an identifier."""
    return hashlib.sha256(identifier.encode()).digest()


def about(card_no: str, at_s: int = AT_S, province: str = "50") -> event_pb2.Event:
    """An event about a card, its kind still open."""
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    name_card(event.card, card_no, province)
    return event


def name_card(
    ref: references_pb2.CardRef, identifier: str, province: str = "50", kind: int = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
) -> None:
    """Names a card by the key of one of its identifiers."""
    ref.issuing_province, ref.kind, ref.key = province, kind, key_of(identifier)


def registered(card_no: str, at_s: int = AT_S) -> event_pb2.Event:
    """The issuer's statement that a card is active."""
    event = about(card_no, at_s)
    event.card_registered.status, event.card_registered.generation = 5, 3
    return event


def lost(card_no: str, at_s: int = AT_S + 60) -> event_pb2.Event:
    """A temporary loss."""
    event = about(card_no, at_s)
    event.temporary_loss_reported.channel = 1
    return event


def enabled(card_no: str, at_s: int = AT_S + 120, predecessor: str = "") -> event_pb2.Event:
    """A card's social function was enabled, which cancels its predecessor."""
    event = about(card_no, at_s)
    event.social_function_activated.channel = 1
    if predecessor:
        name_card(event.social_function_activated.supersedes, predecessor)
    return event


def journey(card_no: str = "A00000001", fare_fen: int = 360, at_s: int = AT_S, region: str = "510100") -> event_pb2.Event:
    """A metro journey."""
    event = about(card_no, at_s)
    event.service_region, event.scenario, event.medium = region, "TRA.MET", acceptance_pb2.MEDIUM_CONTACTLESS
    event.transit_journey_completed.fare_full_fen, event.transit_journey_completed.fare_paid_fen = 400, fare_fen
    return event


def decided(card_no: str = "A00000001", *reasons: str) -> event_pb2.Event:
    """The hub's answer to a question about a card."""
    event = about(card_no)
    event.service_region, event.scenario, event.medium = "510100", "TRA.MET", acceptance_pb2.MEDIUM_CONTACTLESS
    outcome = acceptance_pb2.ACCEPTANCE_OUTCOME_DENY if reasons else acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT
    event.decision_made.outcome, event.decision_made.participant = outcome, SICHUAN
    event.decision_made.reason_codes.extend(reasons)
    return event


def looked_at(card_no: str = "A00000001") -> event_pb2.Event:
    """A look at the record of a card."""
    event = about(card_no)
    event.card_record_queried.participant, event.card_record_queried.purpose_code = SICHUAN, "COMPLAINT"
    return event


def elders_ride(card_no: str, counter: int, units: int = 1, at_s: int = AT_S) -> event_pb2.Event:
    """A metro journey of Chongqing's that used units of a concession."""
    event = journey(card_no, 0, at_s, "500103")
    ridden = event.transit_journey_completed
    ridden.tap.purse_counter, ridden.concession_type, ridden.concession_units = counter, transit.CONCESSION_TYPE_ELDER, units
    return event


def shown(card_no: str = "A00000001", amount_fen: int = 0, at_s: int = AT_S) -> event_pb2.Event:
    """A card was shown at a window."""
    event = about(card_no, at_s)
    event.service_region, event.scenario, event.amount_fen = "510100", "GOV.ID", amount_fen
    event.identity_presented.window_code = "3"
    return event


def certified(card_no: str = "A00000001", cycle: str = "2025", at_s: int = AT_S) -> event_pb2.Event:
    """A benefit was certified for a cycle."""
    event = about(card_no, at_s)
    event.service_region, event.scenario = "500103", "HR.CERT"
    event.benefit_qualification_certified.benefit_kind, event.benefit_qualification_certified.cycle = "PENSION", cycle
    return event


def declared(register: control_pb2.Register.ValueType, hours: int = 24, at_s: int = AT_S, region: str = "500000") -> event_pb2.Event:
    """A register is reported whole from here on."""
    event = event_pb2.Event(service_region=region)
    event.occurred_at.seconds = at_s
    event.register_declared_complete.register, event.register_declared_complete.fresh_for_hours = register, hours
    return event


def case_event(kind: str, case_no: str = "N1", at_s: int = AT_S, region: str = "510100", **says: Any) -> event_pb2.Event:
    """A report of a case that Sichuan handles and Chongqing decides; *says* are fields of its message, and of its CaseRef as *ref*."""
    event = about("A00000001", at_s)
    event.service_region, event.scenario = region, "GOV.CASE"
    message = getattr(event, f"case_{kind}")
    ref = {"case_no": case_no, "item_code": "TB057", "handling_province": "51", "deciding_province": "50", **says.pop("ref", {})}
    message.case_ref.CopyFrom(government.CaseRef(**ref))
    if kind == "submitted":
        says = {"mode": government.CASE_MODE_FULL_ONLINE, "auth_method": government.CASE_AUTH_METHOD_ECARD_LOGIN, **says}
    elif kind == "transferred":
        says = {"to_region": "500103", **says}
    for name, value in says.items():
        setattr(message, name, value)
    return event


def filing(no: str = "F1", card_no: str = "A00000001", at_s: int = AT_S, **says: Any) -> event_pb2.Event:
    """The registration of a filing from Chongqing for Chengdu."""
    event = about(card_no, at_s)
    event.service_region = "500103"
    registered = event.medical_filing_registered
    registered.filing_no, registered.filing_kind = no, 5
    registered.insured_region, registered.treatment_region, registered.valid_from, registered.valid_to = (
        "500103",
        "510100",
        "2025-08-20",
        "2025-09-30",
    )
    for name, value in says.items():
        setattr(registered, name, value)
    return event


def settlement(settlement_id: str = "S1", card_no: str = "A00000001", at_s: int = AT_S, fen: int = 8_600) -> event_pb2.Event:
    """A settlement in Chengdu, half of it paid by the fund, half in cash."""
    event = about(card_no, at_s)
    event.service_region, event.scenario = "510100", "MED.OP"
    settled = event.medical_settlement_completed
    settled.institution_code, settled.visit_id, settled.settlement_id, settled.visit_type = "H51010000001", "V1", settlement_id, 1
    _pay(settled.money, fen)
    return event


def refund(settlement_id: str = "R1", of: str = "S1", at_s: int = AT_S + 60, fen: int = 8_600) -> event_pb2.Event:
    """A refund of a settlement."""
    event = about("A00000001", at_s)
    event.service_region, event.scenario = "510100", "MED.OP"
    back = event.medical_settlement_reversed
    back.institution_code, back.settlement_id, back.original_settlement_id = "H51010000001", settlement_id, of
    _pay(back.money, fen)
    return event


def library(what: str, at_s: int = AT_S, card: str = "A00000001", branch: str = "SCLIB", **says: Any) -> event_pb2.Event:
    """A report of a library about item B1; *says* are fields of its message, *owner* the branch that owns the item."""
    event = about(card, at_s)
    event.service_region, event.scenario = "510100", "CUL.LIB.BRW"
    message = getattr(event, f"library_item_{what}")
    message.branch_code, message.barcode = branch, "B1"
    if owner := says.pop("owner", ""):
        message.owner_branch = owner
    for name, value in says.items():
        setattr(message, name, value)
    return event


def venue(what: str, at_s: int = AT_S, venue_code: str = "PARK", **says: Any) -> event_pb2.Event:
    """A report of a venue in Chengdu."""
    event = about("A00000001", at_s)
    event.service_region, event.scenario, event.venue_code = "510100", "TOU.GATE", venue_code
    message = getattr(event, f"venue_{what}")
    message.SetInParent()
    for name, value in says.items():
        setattr(message, name, value)
    return event


def consumption(kind: str, at_s: int = AT_S, **says: Any) -> event_pb2.Event:
    """A report of a coupon or of points in Chengdu."""
    event = about("A00000001", at_s)
    event.service_region, event.scenario = "510100", "CON.CPN"
    message = getattr(event, kind)
    message.SetInParent()
    for name, value in says.items():
        setattr(message, name, value)
    return event


def entered(card: str, counter: int, at_s: int = AT_S) -> event_pb2.Event:
    """An entry at a gate of Chengdu's metro."""
    event = about(card, at_s)
    event.service_region, event.scenario = "510100", "TRA.MET"
    tap = event.transit_entry_recorded.tap
    tap.mode, tap.purse_counter, tap.psam = 2, counter, "IN"
    return event


def verdict(what: str, sequence: int, feed: str = "cq.usage", at_s: int = AT_S + 86_400, **says: Any) -> event_pb2.Event:
    """What clearing says of a trip: accepted or rejected, by default for a wrong TAC."""
    event = about("A00000001", at_s)
    message = getattr(event, f"transit_clearing_{what}")
    message.trip.feed, message.trip.sequence = feed, sequence
    for name, value in ({"reason": 1} if what == "rejected" else {}).items() | says.items():
        setattr(message, name, value)
    return event


def fund_batch(step: str, batch_no: str = "B1", at_s: int = AT_S, **says: Any) -> event_pb2.Event:
    """A report of Chongqing's about a fund batch as a whole."""
    event = event_pb2.Event(service_region="500103", scenario="FND.PAY")
    event.occurred_at.seconds = at_s
    message = getattr(event, f"fund_batch_{step}")
    message.batch_no = batch_no
    for name, value in says.items():
        setattr(message, name, value)
    return event


def fund_row(what: str, row_no: int = 1, at_s: int = AT_S, fen: int = 10_000, account: str = "", **says: Any) -> event_pb2.Event:
    """A report about a row of batch B1; who is paid is named where it is sent."""
    event = about("A00000001", at_s) if what == "sent" else event_pb2.Event()
    event.occurred_at.seconds = at_s
    event.service_region, event.scenario = "500103", "FND.PAY"
    message = getattr(event, f"fund_row_{what}")
    message.batch_no, message.row_no, message.amount_fen = says.pop("batch_no", "B1"), row_no, fen
    if account:
        message.account.key = key_of(account)
    if what == "sent":
        message.attempt = says.pop("attempt", 1)
    for name, value in says.items():
        setattr(message, name, value)
    return event


def repointed(old: str, new: str, at_s: int = AT_S) -> event_pb2.Event:
    """An account gave way to another."""
    event = event_pb2.Event(service_region="500103", scenario="FND.PAY")
    event.occurred_at.seconds = at_s
    event.fund_account_repointed.from_account.key, event.fund_account_repointed.to_account.key = key_of(old), key_of(new)
    return event


def _pay(money: Any, fen: int) -> None:
    money.total_fen, money.pooled_fund_fen, money.fund_total_fen = fen, fen // 2, fen // 2
    money.cash_fen = money.person_total_fen = fen - fen // 2


def correcting(event: event_pb2.Event, sequence: int, feed: str = "cq.usage") -> event_pb2.Event:
    """Makes the event a correction of another."""
    event.corrects.feed, event.corrects.sequence = feed, sequence
    return event


def reversing(event: event_pb2.Event, sequence: int, feed: str = "cq.usage") -> event_pb2.Event:
    """Makes the event a reversal of another."""
    event.reverses.feed, event.reverses.sequence = feed, sequence
    return event


def eligible(person: str, project: str = "NCDB", since: str = "2025-09-01", at_s: int = AT_S) -> event_pb2.Event:
    """The payer's report of who became eligible for a project."""
    event = event_pb2.Event(service_region="500103")
    event.occurred_at.seconds = at_s
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
    event.payee_became_eligible.project_code, event.payee_became_eligible.eligible_from = project, since
    return event


def institution(what: str, code: str = "H50010300001", at_s: int = AT_S) -> event_pb2.Event:
    """The insurer's report that an institution is opened or closed."""
    event = event_pb2.Event(service_region="500103")
    event.occurred_at.seconds = at_s
    message = getattr(event, f"institution_{what}")
    message.institution_code, message.service, message.from_on = code, 1, "2025-09-01"
    return event


def contradicted(card_no: str = "A00000001", weighed: int = 2, used: int = 7) -> list[event_pb2.Event]:
    """Answers about a code that another answer had used: the first agrees with the record, the others claim otherwise."""
    answers = []
    for number in range(weighed):
        event = decided(card_no, "ECARD_TOKEN_USED")
        event.medium = acceptance_pb2.MEDIUM_ECARD_QR
        claim = acceptance_pb2.SAID_YES if number else acceptance_pb2.SAID_NO
        event.decision_made.bases.add(
            rule_id="A06", basis=2, claim=claim, record=acceptance_pb2.SAID_NO, record_position=used, contradicts=number > 0
        )
        answers.append(event)
    return answers


def recorded_with_their_events(superuser: psycopg.Connection) -> None:
    """Has each batch recorded when its first event was: by batches it is found what was recorded when."""
    superuser.execute("UPDATE journal.batch b SET recorded_at = e.recorded_at FROM journal.event e WHERE e.position = b.first_position")
