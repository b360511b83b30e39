"""A made-up year of both provinces in one journal: what each indicator counts, with late, corrected and reversed events in between."""

import contextlib
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, findings_pb2, references_pb2, usage_transit_pb2

from hub.admin.registry import load_agreements
from hub.domain.loss import Loss, Report
from hub.domain.unusual_use.finding import Finding
from hub.domain.unusual_use.finding import Said as FindingSaid
from hub.domain.unusual_use.patterns import Found
from hub.domain.unusual_use.rule_book import first_version, rule_named
from hub.journal.recorder import AggregateStore
from tests.recording import (
    Recording,
    about,
    case_event,
    correcting,
    elders_ride,
    eligible,
    fund_row,
    journey,
    key_of,
    library,
    name_card,
    reversing,
)

DAY_S = 86_400
# 2025-11-01 10:00 in +08:00: the split of 2025-11-06 is near.
NOVEMBER_S = 1_761_962_400
BANKS = ("BANK_A", "BANK_B", "BANK_C")
COUNTIES = ("500112", "500105", "500199", "510199")
PERSONS = 40


def record_losses(dsn: str) -> None:
    """Losses across the border: confirmed after some time, confirmed by a clock that is behind, refused, and one that waits."""
    with contextlib.closing(AggregateStore(dsn)) as store:
        load_agreements(store, datetime(2025, 1, 1, tzinfo=UTC))
        for number, after_s in enumerate((30, 90, 600, -20, 3_600, 7_200, 5, None)):
            asked_us = (NOVEMBER_S + number * DAY_S) * 1_000_000
            loss = Loss.open(about(f"LOST{number}").card, 1, "510100", Report("sc.card-center", 1, number + 1, asked_us))
            if after_s is not None:
                answered = Report("cq.card-center", 2, number + 50, asked_us + after_s * 1_000_000)
                if number == 6:
                    loss.refuse(answered, "NOT_HOLDER")
                else:
                    loss.confirm(answered, "temporary_loss_reported")
            store.save(loss)


def record_findings(dsn: str) -> None:
    """Findings of days in November: open, confirmed, cleared, confirmed and stale since; and a confirmed one of the year before."""
    officer = findings_pb2.FindingOfficer(participant="hub.operators", person="han.mei")
    with contextlib.closing(AggregateStore(dsn)) as store:
        for number in range(16):
            day = "2024-12-31" if number == 15 else f"2025-11-{2 + number % 5:02}"
            begun = datetime.fromtimestamp(NOVEMBER_S + (1 + number % 5) * DAY_S, UTC)
            found = Found(day, (1, 2), number, ("50", "51"))
            finding = Finding.raise_of(first_version(rule_named("IMPOSSIBLE_TRAVEL")), bytes([number]) * 32, found, None, begun)
            if number % 3 or number == 15:
                finding.decide(FindingSaid(findings_pb2.FINDING_STEP_REVIEW, officer), begun)
                step, why = (
                    (findings_pb2.FINDING_STEP_CLEAR, "TRAINING") if number % 3 == 2 else (findings_pb2.FINDING_STEP_CONFIRM, "CARD_LENT")
                )
                finding.decide(FindingSaid(step, officer, why), begun + timedelta(days=number % 4))
            if number == 4:
                finding.see(None, 2, begun + timedelta(days=9))
            store.save(finding)


class Year:
    """Records events of cards and people, drawn by a seed."""

    def __init__(self, journal: Recording, seed: int = 20261130) -> None:
        """Nothing is recorded yet."""
        self._journal, self._draw = journal, random.Random(seed)
        self.cards: list[tuple[str, str, str]] = []

    def record(self) -> int:
        """Records the year; returns the last position."""
        for person in range(PERSONS):
            self._cards_of(person)
        for card, province, _ in self.cards:
            self._life(card, province)
        self._answers()
        self._cases()
        self._money()
        self._books()
        self._corrections()
        self._rides()
        self._outlets()
        self._payees()
        self._members()
        return self._journal.append(_of_day(journey("TAIL"), 20))[0]

    def add_late(self) -> int:
        """Records what comes after a report: events of days before; returns the last position."""
        told = [self._card_event(card, province, 4, "ecard_signed") for card, province, _ in self.cards[:6]]
        told += [_of_day(case_event("submitted", f"L{number}", form_waived=True), 3) for number in range(3)]
        told += [_of_day(case_event("decided", f"L{number}", granted=True), 5) for number in range(3)]
        return self._journal.append(*told)[-1]

    def _cards_of(self, person: int) -> None:
        for province in ("50", "51") if person % 4 == 0 else (self._draw.choice(("50", "51")),):
            card = f"C{province}{person:04d}"
            self.cards.append((card, province, f"P{person}"))
            event = self._card_event(card, province, -self._draw.randrange(60), "card_registered")
            registered = event.card_registered
            registered.status, registered.generation, registered.card_kind = 4 if person % 3 else 5, 3 if person % 5 else 2, 1
            registered.transit_enabled, registered.bank_code = person % 2 == 0, BANKS[person % 3]
            name_card(event.card_aliases.add(), f"T{card}", province, references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
            self._journal.append(event, feed="cq.card-center")

    def _life(self, card: str, province: str) -> None:
        draw, told = self._draw, []
        if draw.random() < 0.6:
            told.append(self._card_event(card, province, draw.randrange(10), "ecard_signed", by_transit_number=draw.random() < 0.3))
        if draw.random() < 0.2:
            told.append(self._card_event(card, province, 11, "ecard_released"))
        opened = draw.random() < 0.7
        if opened:
            event = self._card_event(card, province, 0, "bank_account_opened")
            event.bank_account_opened.bank_code = draw.choice(BANKS)
            told.append(event)
        if draw.random() < 0.7:
            event = self._card_event(card, province, 2, "social_function_activated")
            event.social_function_activated.bank_activated = opened and draw.random() < 0.2
            told.append(event)
            if opened and draw.random() < 0.7:
                # By the bank's clock, which may be behind.
                told.append(self._card_event(card, province, 2, "bank_account_activated", later_s=draw.choice((-240, 0, 500, 601, 4_000))))
        if draw.random() < 0.3:
            event = self._card_event(card, province, 12, "replacement_applied")
            event.replacement_applied.reason = draw.choice((1, 2, 4))
            event.replacement_applied.keeps_bank_account = opened and draw.random() < 0.5
            told.append(event)
        if draw.random() < 0.15:
            event = self._card_event(card, province, 13, "card_cancelled")
            event.card_cancelled.reason = draw.choice((1, 6))
            told.append(event)
        draw.shuffle(told)
        if told:
            self._journal.append(*told, feed="cq.card-center")

    def _card_event(
        self, card: str, province: str, day: int, kind: str, *, later_s: int = 0, by_transit_number: bool = False
    ) -> event_pb2.Event:
        event = about(card, NOVEMBER_S + day * DAY_S + later_s, province)
        if by_transit_number:
            name_card(event.card, f"T{card}", province, references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
        getattr(event, kind).SetInParent()
        person = next(person for known, _, person in self.cards if known == card)
        event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
        event.issuer_region = COUNTIES[int(person[1:]) % 3] if province == "50" else COUNTIES[3]
        return event

    def _answers(self) -> None:
        made = []
        for number in range(80):
            card, province, _ = self._draw.choice(self.cards)
            event = about(card, NOVEMBER_S + self._draw.randrange(15) * DAY_S, province)
            event.service_region, event.scenario = self._draw.choice(("510100", "500103")), self._draw.choice(("TRA.MET", "GOV.ID"))
            event.decision_made.outcome = self._draw.choice((1, 1, 2, 4, 5))
            event.medium, event.decision_made.participant = acceptance_pb2.MEDIUM_CONTACT, "urn:chuanyu:participant:x"
            made.append(event)
            if number % 8 == 0:
                made.append(_tap(card, number))
        self._journal.append(*made, _tap(self.cards[0][0], 0))
        self._journal.append(*(_of_day(elders_ride(card, number), 6) for number, (card, province, _) in enumerate(self.cards[:9])))

    def _cases(self) -> None:
        told = []
        for number in range(60):
            no, day = f"N{number}", self._draw.randrange(10)
            region = self._draw.choice(("510199", "510100", "500112"))
            begun = case_event("submitted", no, form_waived=self._draw.random() < 0.4, mode=1 + number % 3, region=region)
            if self._draw.random() < 0.3:
                begun.case_submitted.materials_waived.append("RESIDENT_ID")
            begun.case_submitted.auth_method = 1 + number % 4
            begun.case_submitted.case_ref.item_code = f"TB0{50 + number % 7}"
            told.append(_of_day(begun, day))
            if number % 5 == 4:
                told.append(_of_day(case_event("withdrawn", no), day + 1))
            elif number % 5 != 3:
                told.append(_of_day(case_event("decided", no, granted=True), day + 3))
        self._draw.shuffle(told)
        self._journal.append(*told)

    def _money(self) -> None:
        told = []
        for row in range(1, 51):
            told.append(_of_day(fund_row("sent", row, account=f"A{row}"), 1))
            if row % 7 == 0:
                continue
            if row % 5 == 0:
                told.append(_of_day(fund_row("returned", row, reason=1 + row % 3, bank_serial=f"S{row}"), 2))
                told.append(_of_day(fund_row("sent", row, attempt=2, account=f"B{row}"), 3))
                told.append(_of_day(fund_row("repaid", row, bank_serial=f"R{row}"), 4))
            else:
                told.append(_of_day(fund_row("paid", row, bank_serial=f"S{row}"), 2))
                if row % 11 == 0:
                    told.append(_of_day(fund_row("returned", row, reason=7, bank_serial=f"S{row}"), 5))
        self._journal.append(*told)

    def _books(self) -> None:
        told = []
        for number in range(30):
            says: dict[str, Any] = {"barcode": f"B{number}", "owner": "SCLIB"}
            told.append(_of_day(library("borrowed", card=f"R{number}", **says), 1))
            if number % 6:
                branch = "CQLIB" if number % 4 == 0 else "SCLIB"
                told.append(_of_day(library("returned", card=f"R{number}", branch=branch, cross_return=branch == "CQLIB", **says), 4))
        self._journal.append(*told)

    def _corrections(self) -> None:
        """A corrected document makes two persons one; a signature is taken back; an answer of the bank names another row."""
        (one, province, _), (other, _, right) = self.cards[-1], self.cards[0]
        event = self._card_event(one, province, 14, "holder_data_corrected")
        event.holder_data_corrected.corrected_holder.id_type = references_pb2.ID_TYPE_RESIDENT_ID
        event.holder_data_corrected.corrected_holder.key = key_of(right)
        signed = self._journal.next_sequence("cq.card-center")
        self._journal.append(
            self._card_event(one, province, 9, "ecard_signed"), event, self._card_event(other, "50", 8, "ecard_signed"),
            self._card_event(self.cards[1][0], self.cards[1][1], 8, "ecard_signed"), feed="cq.card-center",
        )  # fmt: skip
        again = self._card_event(self.cards[1][0], self.cards[1][1], 8, "ecard_signed")
        self._journal.append(reversing(again, signed + 3, "cq.card-center"), feed="cq.card-center")
        wrong = self._journal.next_sequence("cq.usage")
        begun = [_of_day(case_event("submitted", no, form_waived=True), 1) for no in ("WRONG", "RIGHT")]
        self._journal.append(*begun, _of_day(case_event("decided", "WRONG", granted=True), 2))
        self._journal.append(correcting(_of_day(case_event("decided", "RIGHT", granted=True), 2), wrong + 2))

    def _rides(self) -> None:
        """Elders ride in a city that grants by month and in one that grants by year, also by the transit number; some is taken back."""
        told = []
        for number, (card, province, _) in enumerate(self.cards[:12]):
            for turn, day in enumerate((-3, 3, 5, 31, 66)):
                ride = elders_ride(card, 100 + turn, 1 + number % 3, NOVEMBER_S + day * DAY_S)
                ride.service_region, ride.card.issuing_province = "510104" if number % 2 else "500103", province
                if number % 4 > 1:
                    name_card(ride.card, f"T{card}", province, references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
                told.append(ride)
        for card, province, _ in (self.cards[1], self.cards[-1]):
            event = about(card, NOVEMBER_S + 4 * DAY_S, province)
            event.service_region = "510104"
            event.transit_concession_topped_up.concession_type = usage_transit_pb2.CONCESSION_TYPE_ELDER
            event.transit_concession_topped_up.units = 20
            told.append(event)
        alone = [elders_ride("NOBODY", 200, 7, NOVEMBER_S), elders_ride("GONE", 1, 9, NOVEMBER_S)]
        self.cards.append(("GONE", "50", "P98"))
        first = self._journal.next_sequence("cq.usage")
        self._journal.append(*told, *alone)
        more = elders_ride(self.cards[0][0], 102, 8, NOVEMBER_S + 5 * DAY_S)
        self._journal.append(reversing(told[0], first), reversing(alone[1], first + len(told) + 1), correcting(more, first + 2))
        signed = self._journal.next_sequence("cq.card-center")
        gone = self._card_event("GONE", "50", 2, "ecard_signed")
        self._journal.append(gone, feed="cq.card-center")
        self._journal.append(reversing(gone, signed, "cq.card-center"), feed="cq.card-center")

    def _outlets(self) -> None:
        """Outlets that gain a star, lose it, close, move, were reported by mistake, or are to open next year."""
        told = []
        for number in range(14):
            region = ("500112", "500199", "510199")[number % 3]
            until = "2025-11-08" if number == 5 else ""
            told.append(outlet(f"W{number}", region, f"2025-{9 + number % 3:02}-03", stars=number % 4, valid_to=until))
        told += [outlet("W0", "500112", "2025-11-05", stars=2), outlet("W3", "500112", "2025-11-07", stars=0)]
        told += [outlet("W1", "510199", "2025-10-20", stars=5), outlet("W6", "500105", "2025-11-10", stars=1)]
        told.append(outlet("W20", "500199", "2026-01-05", stars=1))
        first = self._journal.next_sequence("cq.usage")
        self._journal.append(*told)
        wrong = outlet("W2", "510199", "2025-11-03", stars=0, valid_to="2025-11-20")
        self._journal.append(reversing(told[4], first + 4), correcting(wrong, first + 2))

    def _payees(self) -> None:
        """Who became eligible: paid to a card or not, never, before, for another project, and what came back; and a wrong report."""
        told = []
        for number in range(24):
            since = "2024-12-31" if number == 23 else f"2025-11-{1 + number % 5:02}"
            told.append(_of_day(eligible(f"E{number}", since=since), 0))
            told[-1].service_region = COUNTIES[number % 3]
        first = self._journal.next_sequence("cq.usage")
        self._journal.append(*told)
        self._journal.append(reversing(told[22], first + 22))
        told = []
        for number in range(23):
            if number % 6 != 5:
                told += _paid_once(number, day=6, to_card=number % 4 > 0, is_back=number % 7 == 0, project="NCDB" if number % 9 else "GLJT")
                told += _paid_once(number + 100, day=9, to_card=True, is_back=False, project="NCDB") if number % 7 == 0 else []
        self._journal.append(*told)

    def _members(self) -> None:
        """Members of two groups: served or not, before or after a basis, opted out by card or document; and a basis that was a mistake."""
        told = []
        for number, (card, province, person) in enumerate(self.cards[:26]):
            group, services = ("VETERAN", ["PRIORITY_LANE", "FREE_RIDE"]) if number % 3 else ("DISABLED", ["PRIORITY_LANE"])
            since = "2024-03-01" if number % 4 == 0 else f"2025-11-{2 + number % 6:02}"
            until = "2025-11-08" if number % 5 == 4 else ""
            told.append(_basis(about(card, NOVEMBER_S, province), group, services, since, until))
            for turn in range(number % 3):
                given = about(card, NOVEMBER_S + (1 + 4 * turn + number % 7) * DAY_S, province)
                given.group_service_given.service = ("PRIORITY_LANE", "FREE_RIDE", "PRIORITY_LANE")[(number + turn) % 3]
                told.append(given)
            if number % 8 == 3:
                out = about(card, NOVEMBER_S + 5 * DAY_S, province)
                if number % 16 == 3:
                    out.ClearField("card")
                    out.holder.id_type, out.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
                out.consent_withdrawn.purpose_code = "AUTOMATED_DECISION"
                told.append(out)
            if number == 11:
                back = about(card, NOVEMBER_S + 7 * DAY_S, province)
                back.consent_granted.purpose_code, back.consent_granted.expires_on = "AUTOMATED_DECISION", "2025-12-30"
                told.append(back)
            if number == 12:
                other = about(card, NOVEMBER_S + 2 * DAY_S, province)
                other.consent_withdrawn.purpose_code = "MARKETING"
                told += [other, _basis(about(card, NOVEMBER_S, province), "VETERAN", ["FREE_RIDE"], "2025-11-01", "")]
        first = self._journal.next_sequence("cq.usage")
        self._journal.append(*told)
        taken_back = next(at for at, one in enumerate(told) if at > 8 and one.HasField("group_basis_registered"))
        self._journal.append(reversing(told[taken_back], first + taken_back))
        alone = event_pb2.Event()
        alone.holder.id_type, alone.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of("P-ALONE")
        served = event_pb2.Event()
        served.CopyFrom(alone)
        served.group_service_given.service = "PRIORITY_LANE"
        self._journal.append(
            _of_day(_basis(alone, "VETERAN", ["PRIORITY_LANE"], "2025-11-03", ""), 2), _of_day(served, 4),
            _basis(about("UNKNOWN-CARD", NOVEMBER_S), "DISABLED", ["PRIORITY_LANE"], "2025-11-03", ""),
        )  # fmt: skip


def _basis(event: event_pb2.Event, group: str, services: list[str], valid_from: str, valid_to: str) -> event_pb2.Event:
    said = event.group_basis_registered
    said.group_code, said.legal_basis, said.valid_from, said.valid_to = group, "LAW", valid_from, valid_to
    said.services.extend(services)
    return event


def _paid_once(number: int, *, day: int, to_card: bool, is_back: bool, project: str) -> list[event_pb2.Event]:
    sent = _of_day(fund_row("sent", number + 1, batch_no="B7", account=f"E{number}", project_code=project), day - 1)
    if not to_card:
        sent.ClearField("card")
    sent.holder.id_type, sent.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(f"E{number % 100}")
    told = [sent, _of_day(fund_row("paid", number + 1, batch_no="B7", bank_serial=f"E{number}"), day)]
    back = _of_day(fund_row("returned", number + 1, batch_no="B7", reason=1, bank_serial=f"E{number}"), day + 1)
    return [*told, back] if is_back else told


def outlet(code: str, region: str, valid_from: str, *, stars: int, valid_to: str = "") -> event_pb2.Event:
    """Returns the report of an outlet."""
    event = _of_day(event_pb2.Event(service_region=region), 0)
    event.outlet_registered.outlet_code, event.outlet_registered.operator = code, 1 + len(code) % 2
    event.outlet_registered.stars, event.outlet_registered.valid_from, event.outlet_registered.valid_to = stars, valid_from, valid_to
    return event


def _of_day(event: event_pb2.Event, day: int) -> event_pb2.Event:
    event.occurred_at.seconds = NOVEMBER_S + day * DAY_S
    return event


def _tap(card: str, counter: int) -> event_pb2.Event:
    event = _of_day(journey(card), 5)
    event.transit_journey_completed.tap.purse_counter = counter + 1
    return event
