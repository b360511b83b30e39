"""Roles: the one table, what each role lets its participant report, and how far it reaches."""

import asyncio
from itertools import product
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import control_pb2, event_pb2, feed_service_pb2

from hub.commands.roles_page import MEANINGS, PAGE, page
from hub.domain import reference
from hub.domain.card import FROM_EITHER_SIDE
from hub.domain.disclosure import Origin, Reader, concerns, is_readable
from hub.domain.event_rules import HUB_KINDS, KIND_NUMBERS, Context, violations
from hub.domain.funds.batches import BATCH_KINDS
from hub.domain.quarantine import HANDLING_KINDS
from hub.domain.records.topics import REGISTER_OWNERS
from hub.domain.role_table import READS, ROLES, role_table
from hub.domain.roles import Grant, Rights, Scope, every_role, rights_of
from hub.intake.batch import Intake
from hub.intake.batches import batch_reader
from hub.projections.views.funds import ROW_KINDS
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.trust.keyring import open_keyring
from tests.messages import AT_S, journey, lost, name_card

EVERY = rights_of("50", every_role())
NONE = rights_of("50", ())


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_kind_has_a_row_and_what_the_hub_alone_records_has_no_role() -> None:
    kinds = role_table().kinds
    assert kinds.keys() == KIND_NUMBERS.keys()
    assert {kind for kind, needed in kinds.items() if not needed.roles} == HUB_KINDS


def test_every_role_has_its_words() -> None:
    assert tuple(MEANINGS) == ROLES


def test_equal_roles_of_a_province_are_one_object() -> None:
    assert rights_of("50", every_role()) is EVERY


@pytest.mark.parametrize("kind", sorted(KIND_NUMBERS))
def test_with_every_role_a_reader_is_told_what_concerns_its_province_and_without_one_nothing(kind: str) -> None:
    urns = ("urn:chuanyu:participant:cq.own", "urn:chuanyu:participant:cq.other")
    for owner, told_by, issuer, region in product(urns, ("50", "51", ""), ("50", "51", ""), ("500103", "510100", "")):
        event = event_pb2.Event(service_region=region)
        event.card.issuing_province = issuer
        getattr(event, kind).SetInParent()
        origin = Origin("cq.feed", owner, told_by)
        if kind == "event_quarantined" or kind in HANDLING_KINDS:
            expected = owner == urns[0]
        elif kind.startswith(("agreement_", "service_item_", "rules_", "hotlist_published")):
            expected = True
        else:
            expected = "50" in (issuer, told_by, region[:2]) and role_table().kinds[kind].read_as != ""
        assert concerns(event, kind, origin, Reader(urns[0], EVERY)) == expected
        assert not concerns(event, kind, origin, Reader(urns[0], NONE))


# What each role lets its participant report: kind by kind

WIDEST = {grant.role: grant for grant in every_role()}
CONTEXT = {role: Context(rights_of("50", (grant,)), AT_S + 60, reference.load(), lambda _: True) for role, grant in WIDEST.items()}
TOLD_OF = {"*": "GOV.ID", "MED.*": "MED.OP", "TRA.*": "TRA.BUS", "CUL.LIB.*": "CUL.LIB.BRW", "HR.*": "HR.EMP", "CON.*": "CON.CPN"}


def told(kind: str, scenario: str = "", region: str = "500103", issuer: str = "50") -> event_pb2.Event:
    """An event of a kind about a card of Chongqing's; by default in a scenario of the kind."""
    event = event_pb2.Event(service_region=region, scenario=scenario)
    event.occurred_at.seconds = AT_S
    name_card(event.card, "A00000001", issuer)
    patterns = role_table().kinds[kind].scenarios
    if patterns and not scenario:
        event.scenario = TOLD_OF.get(patterns[0], patterns[0])
    getattr(event, kind).SetInParent()
    return event


def rules_broken(event: event_pb2.Event, context: Context) -> set[tuple[str, str]]:
    """The rules of roles that an event breaks, with their paths."""
    kind = event.WhichOneof("kind")
    assert kind is not None
    return {broken for broken in violations(event, kind, getattr(event, kind), context) if broken[1] in ("role_missing", "role_scope")}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_tells_the_kinds_of_its_rows_and_no_others(role: str) -> None:
    for kind in sorted(KIND_NUMBERS.keys() - HUB_KINDS):
        expected = set() if role in role_table().kinds[kind].roles else {(kind, "role_missing")}
        assert rules_broken(told(kind), CONTEXT[role]) == expected


def granted(role: str, **parts: tuple[str, ...]) -> Context:
    """What a participant of Chongqing with one role may report."""
    return Context(rights_of("50", (Grant(role, Scope(**parts)),)), AT_S + 60, reference.load(), lambda _: True)


def kinds_told(context: Context, scenario: str) -> set[str]:
    """Every kind that a participant may report in a scenario, without those about its own files."""
    return {
        kind for kind in KIND_NUMBERS.keys() - HUB_KINDS if not kind.startswith("file_") and not rules_broken(told(kind, scenario), context)
    }


def test_a_museum_tells_of_its_gate_and_of_cards_shown_there_and_of_nothing_else() -> None:
    museum = granted("SERVICE_POINT", scenarios=("CUL.MUS",), regions=("5001",))
    gate = {"venue_gate_entered", "venue_gate_left", "venue_booking_made", "venue_booking_cancelled"}
    assert kinds_told(museum, "CUL.MUS") == gate | {"identity_presented", "anomaly_detected", "anomaly_cleared"}
    assert kinds_told(museum, "MED.OP") == set()


def test_a_bus_company_tells_of_rides() -> None:
    bus = granted("SERVICE_POINT", scenarios=("TRA.BUS",), regions=("5001",))
    rides = {"entry_recorded", "exit_recorded", "journey_completed", "journey_incomplete", "transfer_discounted", "trip_disputed"}
    shown = {"identity_presented", "anomaly_detected", "anomaly_cleared"}
    assert kinds_told(bus, "TRA.BUS") == {f"transit_{ride}" for ride in rides} | shown


def test_a_hospital_tells_of_visits_and_settlements_but_not_of_filings() -> None:
    hospital = granted("SERVICE_POINT", scenarios=("MED.*",), regions=("5001",))
    medical = {"visit_registered", "settlement_precomputed", "settlement_completed", "settlement_reversed"}
    shown = {"identity_presented", "anomaly_detected", "anomaly_cleared", "pin_verification_failed"}
    assert kinds_told(hospital, "MED.IP") == {f"medical_{kind}" for kind in medical} | shown


def test_a_library_tells_of_readers_and_loans() -> None:
    library = granted("SERVICE_POINT", scenarios=("CUL.LIB.*",), regions=("5001",))
    items = {"reader_registered", "item_borrowed", "item_renewed", "item_returned", "item_lost"}
    shown = {"identity_presented", "anomaly_detected", "anomaly_cleared"}
    assert kinds_told(library, "CUL.LIB.BRW") == {f"library_{kind}" for kind in items} | shown | {"register_declared_complete"}


@pytest.mark.parametrize("number", sorted(REGISTER_OWNERS))
def test_only_who_keeps_a_register_declares_it_complete(number: int) -> None:
    owner, scenario = REGISTER_OWNERS[number]
    event = told("register_declared_complete", scenario)
    event.register_declared_complete.register = number  # type: ignore[assignment]
    assert {role for role in ROLES if not rules_broken(event, CONTEXT[role])} == {owner}


def test_a_library_keeps_no_register_of_certifications() -> None:
    event = told("register_declared_complete", "CUL.LIB.BRW")
    event.register_declared_complete.register = control_pb2.REGISTER_CERTIFICATIONS
    library = granted("SERVICE_POINT", scenarios=("CUL.LIB.*",), regions=("5001",))
    assert rules_broken(event, library) == {("register_declared_complete.register", "role_missing")}


@pytest.mark.parametrize(("region", "broken"), [("", "required"), ("510100", "other_province")])
def test_a_register_is_declared_for_its_own_province(region: str, broken: str) -> None:
    event = told("register_declared_complete", region=region)
    found = violations(event, "register_declared_complete", event.register_declared_complete, CONTEXT["ISSUER"])
    assert ("service_region", broken) in found


@pytest.mark.parametrize("kind", sorted(BATCH_KINDS | ROW_KINDS))
@pytest.mark.parametrize(("region", "broken"), [("", "required"), ("510100", "other_province")])
def test_funds_are_reported_by_the_province_that_pays(kind: str, region: str, broken: str) -> None:
    for role in role_table().kinds[kind].roles:
        there, here = told(kind, region=region), told(kind)
        assert ("service_region", broken) in violations(there, kind, getattr(there, kind), CONTEXT[role])
        assert not violations(here, kind, getattr(here, kind), CONTEXT[role])


def test_a_window_takes_what_either_province_may_take() -> None:
    window = granted("SERVICE_WINDOW", regions=("5001",))
    assert kinds_told(window, "") == FROM_EITHER_SIDE | {"consent_granted", "consent_withdrawn"}


def test_only_a_window_asks_for_a_loss_on_the_other_side() -> None:
    event = told("loss_request_submitted", issuer="51")
    assert {role for role in ROLES if not rules_broken(event, CONTEXT[role])} == {"SERVICE_WINDOW"}


def test_an_issuer_takes_no_loss_of_the_other_sides_card() -> None:
    event = told("temporary_loss_reported", issuer="51")
    assert rules_broken(event, CONTEXT["ISSUER"]) == {("temporary_loss_reported", "role_missing")}
    assert rules_broken(event, CONTEXT["SERVICE_WINDOW"]) == set()


# How far a role reaches


def accepted_at(region: str) -> event_pb2.Event:
    """A request for a loss that names its place in its own field."""
    event = told("loss_request_submitted", region="")
    event.loss_request_submitted.accepted_at_region = region
    return event


MUSEUM = granted("SERVICE_POINT", scenarios=("CUL.MUS",), regions=("500103",))
SCOPES = [
    (MUSEUM, told("venue_gate_entered", "CUL.MUS"), None),
    (MUSEUM, told("venue_gate_entered", "TOU.GATE"), "scenario"),
    (MUSEUM, told("venue_gate_entered", "CUL.MUS", "500106"), "service_region"),
    (MUSEUM, told("venue_gate_entered", "CUL.MUS", ""), "service_region"),
    (MUSEUM, told("medical_visit_registered", "CUL.MUS"), "scenario"),
    (granted("SERVICE_POINT", scenarios=("*",), regions=("50",)), told("venue_gate_entered", "CUL.MUS", ""), None),
    (granted("SERVICE_POINT", scenarios=("*",), regions=("50",)), told("venue_gate_entered", "CUL.MUS", "510100"), "service_region"),
    (granted("SERVICE_WINDOW", regions=("500103",)), told("loss_request_submitted", region="500106"), "service_region"),
    (granted("SERVICE_WINDOW", regions=("500103",)), accepted_at("500103"), None),
    (granted("SERVICE_WINDOW", regions=("500103",)), accepted_at("500106"), "loss_request_submitted.accepted_at_region"),
    (granted("ISSUER", issuer_regions=("500103",)), told("card_cancelled"), "issuer_region"),
    (granted("BANK", banks=("102",)), told("bank_account_opened"), "bank_account_opened.bank_code"),
    (granted("BANK", banks=("102",)), told("bank_account_frozen"), None),
]


@pytest.mark.parametrize(("context", "event", "path"), SCOPES)
def test_an_event_lies_within_the_scope_of_its_senders_role(context: Context, event: event_pb2.Event, path: str | None) -> None:
    assert rules_broken(event, context) == (set() if path is None else {(path, "role_scope")})


def test_an_event_that_names_no_scenario_is_told_by_who_serves_all_of_its_kind() -> None:
    event = told("transit_journey_completed")
    event.scenario = ""
    assert rules_broken(event, granted("SERVICE_POINT", scenarios=("TRA.*",), regions=("50",))) == set()
    assert rules_broken(event, granted("SERVICE_POINT", scenarios=("TRA.BUS",), regions=("50",))) == {("scenario", "role_scope")}


def test_an_issuer_of_a_region_states_the_cards_of_that_region() -> None:
    event = told("card_cancelled")
    event.issuer_region = "500103"
    assert rules_broken(event, granted("ISSUER", issuer_regions=("5001",))) == set()


KEEPERS = [("BANK", "bank_account_opened", 4), ("TRANSIT_OPERATOR", "transit_purse_loaded", 3), ("ECARD_PLATFORM", "ecard_signed", 5)]


@pytest.mark.parametrize(("role", "kind", "own"), KEEPERS)
def test_who_keeps_one_life_of_a_card_ties_no_identifier_of_another_to_it(role: str, kind: str, own: int) -> None:
    for alias in range(1, 6):
        event = told(kind)
        event.card_aliases.add(issuing_province="50", kind=alias, clear="x")  # type: ignore[arg-type]
        assert rules_broken(event, CONTEXT[role]) == (set() if alias == own else {("card_aliases.kind", "role_scope")})


@pytest.mark.parametrize(("kind", "scenario"), [("venue_gate_entered", "CUL.MUS"), ("pin_verification_failed", "MED.OP")])
def test_a_service_point_names_a_card_by_its_number_and_not_by_an_alias(kind: str, scenario: str) -> None:
    for alias in range(1, 6):
        event = told(kind)
        event.scenario, event.service_region = scenario, "500103"
        event.card_aliases.add(issuing_province="50", kind=alias, clear="x")  # type: ignore[arg-type]
        point = granted("SERVICE_POINT", scenarios=(scenario,), regions=("5001",))
        assert rules_broken(event, point) == ({("card_aliases.kind", "role_scope")} if alias == 1 else set())


@pytest.mark.parametrize(("role", "kind", "own"), KEEPERS)
def test_the_issuer_ties_any_identifier_of_its_cards_whatever_else_it_is(role: str, kind: str, own: int) -> None:
    event = told(kind)
    both = Context(rights_of("50", (Grant(role, Scope()), Grant("ISSUER", Scope()))), AT_S + 60, reference.load(), lambda _: True)
    for alias in range(1, 6):
        event.card_aliases.add(issuing_province="50", kind=alias, clear="x")  # type: ignore[arg-type]
    assert rules_broken(event, both) == set()


# What passed once is remembered under the rights it passed by


def quarantined(intake: Intake, event: event_pb2.Event, rights: Rights) -> bool:
    request = feed_service_pb2.AppendEventsRequest(feed="f", first_sequence=1, events=[event])
    received = batch_reader(feed_service_pb2.AppendEventsRequest)(request.SerializeToString())
    context = Context(rights, AT_S + 60, reference.load(), lambda _: True)
    prepared = asyncio.run(intake.prepare(1, "owner", received, context, lambda _: 1))
    intake.identifiers.remember(prepared.new_identifiers)
    return 0 in prepared.quarantined


def test_a_case_that_passed_for_one_participant_does_not_pass_for_one_of_other_roles(tmp_path: Path) -> None:
    intake, bus = Intake(open_keyring(tmp_path)), journey("A00000001")
    rider = rights_of("50", (Grant("SERVICE_POINT", Scope(("TRA.*",), ("51",))),))
    museum = rights_of("50", (Grant("SERVICE_POINT", Scope(("CUL.MUS",), ("51",))),))
    assert [quarantined(intake, bus, rights) for rights in (rider, rider, museum, rider)] == [False, False, True, False]


def test_a_loss_of_ones_own_card_does_not_open_the_way_for_one_of_the_other_sides(tmp_path: Path) -> None:
    intake, issuer = Intake(open_keyring(tmp_path)), rights_of("50", (Grant("ISSUER"),))
    assert not quarantined(intake, lost("A00000001"), issuer)
    assert not quarantined(intake, lost("A00000001"), issuer)
    # The other side's card is known as well, by an event of another participant.
    assert not quarantined(intake, lost("S00000001", "51"), EVERY)
    assert quarantined(intake, lost("S00000001", "51"), issuer)


def test_a_request_accepted_at_one_window_does_not_open_the_way_for_one_of_another(tmp_path: Path) -> None:
    intake = Intake(open_keyring(tmp_path))
    window = rights_of("50", (Grant("SERVICE_WINDOW", Scope(regions=("500103",))),))
    here, there = accepted_at("500103"), accepted_at("500106")
    for event in (here, there):
        event.loss_request_submitted.loss_type = 1
    assert [quarantined(intake, event, window) for event in (here, here, there)] == [False, False, True]


# Identifiers in clear


def test_identifiers_of_a_card_are_in_clear_for_its_issuer_alone() -> None:
    event = event_pb2.Event(issuer_region="500103")
    name_card(event.card, "A00000001", "50")
    origin = Origin("cq.card-center", "urn:chuanyu:participant:cq.card-center", "50")
    for role, grant in WIDEST.items():
        reader = Reader("urn:chuanyu:participant:cq.one", rights_of("50", (grant,)))
        assert is_readable(event.card, event, origin, reader) == (role == "ISSUER")
        assert is_readable(event.holder, event, origin, reader) == (role == "ISSUER")
    elsewhere = Reader("urn:chuanyu:participant:cq.one", rights_of("50", (Grant("ISSUER", Scope(issuer_regions=("500106",))),)))
    assert not is_readable(event.card, event, origin, elsewhere)
    assert not is_readable(event.card, event, origin, Reader("urn:chuanyu:participant:sc.one", rights_of("51", every_role())))


@pytest.mark.parametrize("read", READS)
def test_a_reader_is_told_what_its_scope_names_and_nothing_else(read: str) -> None:
    reader = Reader("urn:chuanyu:participant:cq.one", rights_of("50", (Grant("READER", Scope(reads=(read,))),)))
    for kind, needed in role_table().kinds.items():
        event = told(kind) if kind not in HUB_KINDS else event_pb2.Event(service_region="500103")
        getattr(event, kind).SetInParent()
        own, others = Origin("cq.one", reader.urn, "50"), Origin("cq.other", "urn:chuanyu:participant:cq.other", "50")
        by_name = needed.read_as == read
        assert concerns(event, kind, others, reader) == (by_name and read != "QUARANTINE")
        if read == "OWN_EVENTS" and kind not in HUB_KINDS:
            # What nobody gets does not go back to who reported it either.
            assert concerns(event, kind, own, reader) == (needed.read_as != "")


def test_a_reader_of_its_own_decisions_gets_no_others() -> None:
    reader = Reader("urn:chuanyu:participant:cq.one", rights_of("50", (Grant("READER", Scope(reads=("OWN_DECISIONS",))),)))
    event, origin = event_pb2.Event(service_region="500103"), Origin("hub.decisions", "urn:chuanyu:participant:hub", "")
    event.decision_made.participant = reader.urn
    assert concerns(event, "decision_made", origin, reader)
    event.decision_made.participant = "urn:chuanyu:participant:cq.other"
    assert not concerns(event, "decision_made", origin, reader)


# What a window of either side may not reach


def test_an_enabling_taken_at_the_other_side_ends_no_card_that_it_names() -> None:
    window = Context(rights_of("51", (Grant("SERVICE_WINDOW", Scope()),)), AT_S + 60, reference.load(), lambda _: True)
    event = told("social_function_activated")
    event.social_function_activated.supersedes.issuing_province, event.social_function_activated.supersedes.kind = "50", 1
    event.social_function_activated.supersedes.clear = "A00000009"
    found = violations(event, "social_function_activated", event.social_function_activated, window)
    assert ("social_function_activated.supersedes", "issuer_only") in found


def test_the_cards_of_a_holder_are_the_issuers_alone_to_tell() -> None:
    assert HOLDER_CARDS.kinds.isdisjoint(FROM_EITHER_SIDE)
    assert {"card_registered", "production_returned", "holder_data_corrected"} <= HOLDER_CARDS.kinds
