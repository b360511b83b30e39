"""Agreements: their whole life, what is refused, how they are at an instant, the table they are seeded from, and the commands."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, hub_decisions_pb2
from google.rpc import code_pb2, error_details_pb2
from typer.testing import CliRunner

from hub.admin import agreements as desk
from hub.admin.agreement_toml import read_terms
from hub.admin.agreements import Officer
from hub.admin.registry import Loaded, load_agreements
from hub.api.edge.statuses import to_status
from hub.cli import app
from hub.domain import errors, reference
from hub.domain.agreement import Agreement, Agreements, Terms, terms_in
from hub.domain.agreement_history import evolve
from hub.domain.agreement_rules import check_overlap, check_terms, overlap
from hub.domain.agreement_table import seed_agreements, table_terms
from hub.journal.recorder import AggregateStore
from hub.projections import runner
from hub.projections.engine import advance, create_views
from hub.projections.views.agreements import AGREEMENTS, read_agreements
from tests.databases import fresh_database

TABLES = reference.load()
ROWS = TABLES.agreements
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTACT, ECARD_QR = acceptance_pb2.MEDIUM_CONTACT, acceptance_pb2.MEDIUM_ECARD_QR
MAKERS = {"50": ("5001", "5002"), "51": ("5101", "5102")}


def day(text: str) -> datetime:
    """The first moment of a day in +08:00."""
    return datetime.fromisoformat(f"{text}T00:00:00+08:00")


def us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def hotel_terms(valid_from: str = "2026-03-01", valid_to: str = "", **changes: object) -> hub_decisions_pb2.AgreementTerms:
    """Hotels of Sichuan take Chongqing's cards by chip."""
    fields = {
        "scenarios": ["TOU.HTL"], "issuer_provinces": ["50"], "serving_provinces": ["51"], "media": [CONTACT], "concession": 1,
        "settlement": 1, "legal_basis": "试点约定"}  # fmt: skip
    terms = hub_decisions_pb2.AgreementTerms(**{**fields, **changes})  # type: ignore[arg-type]
    terms.valid_from.FromDatetime(day(valid_from))
    if valid_to:
        terms.valid_to.FromDatetime(day(valid_to))
    return terms


def drafted(code: str = "HOTEL", terms: hub_decisions_pb2.AgreementTerms | None = None) -> Agreement:
    message = hub_decisions_pb2.AgreementDrafted(agreement_code=code, terms=terms or hotel_terms(), side="50", officer="5001")
    return Agreement.begin("agreement_drafted", message, Agreement.create_drafted_id(code), NOW)


def signature(side: str, maker: str = "", checker: str = "") -> hub_decisions_pb2.AgreementSigned:
    return hub_decisions_pb2.AgreementSigned(side=side, maker=maker or MAKERS[side][0], checker=checker or MAKERS[side][1])


def signed(code: str = "HOTEL", terms: hub_decisions_pb2.AgreementTerms | None = None) -> Agreement:
    agreement = drafted(code, terms)
    for side in ("50", "51"):
        agreement.sign(signature(side), NOW)
    return agreement


def amendment(
    terms: hub_decisions_pb2.AgreementTerms, side: str = "51", officer: str = "5101"
) -> hub_decisions_pb2.AgreementAmendmentDrafted:
    return hub_decisions_pb2.AgreementAmendmentDrafted(terms=terms, side=side, officer=officer)


def suspension(on: str) -> hub_decisions_pb2.AgreementSuspended:
    message = hub_decisions_pb2.AgreementSuspended(reason_code="DATA_DISPUTE")
    message.from_at.FromDatetime(day(on))
    return message


def resumption(on: str) -> hub_decisions_pb2.AgreementResumed:
    message = hub_decisions_pb2.AgreementResumed(reason_code="DISPUTE_SETTLED")
    message.from_at.FromDatetime(day(on))
    return message


def ending(on: str) -> hub_decisions_pb2.AgreementEnded:
    message = hub_decisions_pb2.AgreementEnded(reason_code="BY_CONSENT")
    message.ended_at.FromDatetime(day(on))
    return message


def in_force(terms: Agreements, on: str, scenario: str = "TOU.HTL", region: str = "510100") -> list[str]:
    return [found.code for found in terms.about(scenario, "50", region, "") if found.is_in_force(us(day(on)))]


def standing(agreement: Agreement) -> Agreements:
    return Agreements(terms_in(agreement.history))


# The life of an agreement


def test_a_draft_records_side_and_officer_and_holds_nowhere() -> None:
    agreement = drafted()
    assert (agreement.history.proposal.side, agreement.history.proposal.officer) == ("50", "5001")
    assert (agreement.status(NOW), agreement.missing_sides()) == ("DRAFT", ["50", "51"])
    assert in_force(standing(agreement), "2026-03-01") == []


def test_one_signature_leaves_it_a_draft_that_waits_for_the_other_side() -> None:
    agreement = drafted()
    agreement.sign(signature("51"), NOW)
    assert (agreement.status(NOW), agreement.missing_sides()) == ("DRAFT", ["50"])


def test_with_both_signatures_it_holds_from_the_instant_of_its_terms() -> None:
    agreement = signed(terms=hotel_terms("2026-03-01", "2026-09-01"))
    statuses = [agreement.status(day(on)) for on in ("2026-02-28", "2026-03-01", "2026-08-31", "2026-09-01")]
    assert statuses == ["SIGNED", "ACTIVE", "ACTIVE", "ENDED"]
    assert [event.kind for event in agreement.collect_events()] == [
        "agreement_drafted", "agreement_signed", "agreement_signed", "agreement_activated"]  # fmt: skip


def test_a_draft_is_drafted_anew_and_its_signatures_lapse() -> None:
    agreement = drafted()
    agreement.sign(signature("50"), NOW)
    anew = hub_decisions_pb2.AgreementDrafted(agreement_code="HOTEL", terms=hotel_terms("2026-04-01"), side="51", officer="5101")
    agreement.redraft(anew, NOW)
    assert (agreement.missing_sides(), agreement.terms) == (["50", "51"], hotel_terms("2026-04-01"))


def test_until_an_amendment_is_signed_by_both_sides_the_old_terms_hold() -> None:
    agreement = signed()
    agreement.draft_amendment(amendment(hotel_terms("2026-06-01", media=[CONTACT, ECARD_QR])), NOW)
    agreement.sign(signature("50"), NOW)
    assert [terms.media for terms in terms_in(agreement.history)] == [{CONTACT}]


def test_an_amendment_holds_from_its_instant_and_the_old_terms_until_then() -> None:
    agreement = signed()
    agreement.draft_amendment(amendment(hotel_terms("2026-06-01", media=[CONTACT, ECARD_QR])), NOW)
    for side in ("50", "51"):
        agreement.sign(signature(side), NOW)
    assert [terms.media for terms in terms_in(agreement.history)] == [{CONTACT}, {CONTACT, ECARD_QR}]
    assert [in_force(standing(agreement), on) for on in ("2026-05-31", "2026-06-01")] == [["HOTEL"], ["HOTEL.2"]]


def test_a_signature_says_which_amendment_it_signs() -> None:
    agreement = signed()
    agreement.draft_amendment(amendment(hotel_terms("2026-06-01")), NOW)
    agreement.collect_events()
    agreement.sign(signature("50"), NOW)
    assert [event.message.amendment for event in agreement.collect_events()] == [1]


def test_a_later_amendment_from_an_earlier_instant_replaces_the_one_before_it() -> None:
    agreement = signed()
    for valid_from in ("2026-08-01", "2026-06-01"):
        agreement.draft_amendment(amendment(hotel_terms(valid_from)), NOW)
        for side in ("50", "51"):
            agreement.sign(signature(side), NOW)
    assert [in_force(standing(agreement), on) for on in ("2026-05-31", "2026-06-01", "2026-08-01")] == [["HOTEL"], ["HOTEL.3"], ["HOTEL.3"]]


def test_a_suspension_and_a_resumption_hold_from_their_instants() -> None:
    agreement = signed()
    agreement.suspend(suspension("2026-04-01"), NOW)
    agreement.resume(resumption("2026-05-01"), NOW)
    days = ("2026-03-31", "2026-04-01", "2026-04-30", "2026-05-01")
    assert [agreement.status(day(on)) for on in days] == ["ACTIVE", "SUSPENDED", "SUSPENDED", "ACTIVE"]
    assert [in_force(standing(agreement), on) for on in days] == [["HOTEL"], [], [], ["HOTEL"]]
    assert [terms.is_suspended(us(day("2026-04-01"))) for terms in terms_in(agreement.history)] == [True]


def test_it_may_be_suspended_again() -> None:
    agreement = signed()
    agreement.suspend(suspension("2026-04-01"), NOW)
    agreement.resume(resumption("2026-05-01"), NOW)
    agreement.suspend(suspension("2026-06-01"), NOW)
    assert [agreement.status(day(on)) for on in ("2026-05-31", "2026-06-01")] == ["ACTIVE", "SUSPENDED"]


def test_an_end_holds_from_its_instant() -> None:
    agreement = signed()
    agreement.end(ending("2026-07-01"), NOW)
    assert [agreement.status(day(on)) for on in ("2026-06-30", "2026-07-01")] == ["ACTIVE", "ENDED"]
    assert [in_force(standing(agreement), on) for on in ("2026-06-30", "2026-07-01")] == [["HOTEL"], []]


def test_a_draft_is_withdrawn_by_an_end() -> None:
    agreement = drafted()
    agreement.end(ending("2026-01-01"), NOW)
    assert agreement.status(NOW) == "ENDED"


def test_the_concession_stands_in_the_terms() -> None:
    assert [terms.concession for terms in terms_in(signed(terms=hotel_terms(concession=4)).history)] == ["MUTUAL"]


# Refusals of the aggregate


@pytest.mark.parametrize(
    ("signature_of_51", "field", "rule"),
    [
        (signature("51", "5101", "5101"), "checker", "maker_is_not_checker"),
        (signature("51", "5002", "5102"), "maker", "four_people"),
        (signature("51", "5101", "5002"), "checker", "four_people"),
        (signature("51", "5101", "5001"), "checker", "four_people"),
        (signature("51", "5101", " 5002 "), "checker", "four_people"),
    ],
)
def test_makers_and_checkers_are_four_people(signature_of_51: hub_decisions_pb2.AgreementSigned, field: str, rule: str) -> None:
    agreement = drafted()
    agreement.sign(signature("50"), NOW)
    with pytest.raises(errors.OfficerRepeated) as refused:
        agreement.sign(signature_of_51, NOW)
    assert refused.value.metadata == {"field": field, "rule": rule}


def test_who_drafts_does_not_check() -> None:
    with pytest.raises(errors.OfficerRepeated) as refused:
        drafted().sign(signature("50", "5002", "5001"), NOW)
    assert refused.value.metadata == {"field": "checker", "rule": "four_people"}


def test_who_drafts_for_one_side_does_not_sign_for_the_other() -> None:
    with pytest.raises(errors.OfficerRepeated) as refused:
        drafted().sign(signature("51", "5001", "5102"), NOW)
    assert refused.value.metadata == {"field": "maker", "rule": "drafter_is_of_own_side"}


def test_a_side_signs_once() -> None:
    agreement = drafted()
    agreement.sign(signature("50"), NOW)
    with pytest.raises(errors.SideSignedAlready) as refused:
        agreement.sign(signature("50", "5003", "5004"), NOW)
    assert refused.value.metadata == {"side": "50"}


def test_what_is_signed_by_both_waits_for_no_signature() -> None:
    with pytest.raises(errors.NothingToSign):
        signed().sign(signature("50"), NOW)


def test_what_is_signed_is_not_drafted_anew() -> None:
    with pytest.raises(errors.AgreementExists):
        signed().redraft(hub_decisions_pb2.AgreementDrafted(agreement_code="HOTEL"), NOW)


def test_an_agreement_that_is_not_signed_by_both_sides_is_neither_amended_nor_suspended_nor_resumed() -> None:
    agreement = drafted()
    agreement.sign(signature("50"), NOW)
    for change in (
        lambda: agreement.draft_amendment(amendment(hotel_terms("2026-06-01")), NOW),
        lambda: agreement.suspend(suspension("2026-04-01"), NOW),
        lambda: agreement.resume(resumption("2026-05-01"), NOW),
    ):
        with pytest.raises(errors.AgreementNotSigned) as refused:
            change()
        assert refused.value.metadata == {"agreement": "HOTEL", "missing": "51"}


def test_an_ended_agreement_changes_no_more() -> None:
    agreement = signed()
    agreement.draft_amendment(amendment(hotel_terms("2026-06-01")), NOW)
    agreement.end(ending("2026-04-01"), NOW)
    after = day("2026-04-01")
    for change in (
        lambda: agreement.draft_amendment(amendment(hotel_terms("2026-06-01")), after),
        lambda: agreement.sign(signature("50"), after),
        lambda: agreement.suspend(suspension("2026-03-15"), after),
        lambda: agreement.resume(resumption("2026-03-16"), after),
        lambda: agreement.end(ending("2026-05-01"), after),
    ):
        with pytest.raises(errors.AgreementHasEnded):
            change()


def test_before_its_end_nothing_may_take_effect_after_it() -> None:
    agreement = signed()
    agreement.end(ending("2026-07-01"), NOW)
    agreement.suspend(suspension("2026-06-30"), NOW)
    for change in (
        lambda: agreement.draft_amendment(amendment(hotel_terms("2026-07-01")), NOW),
        lambda: agreement.resume(resumption("2026-07-01"), NOW),
    ):
        with pytest.raises(errors.AgreementHasEnded):
            change()


def test_an_agreement_whose_terms_ran_out_has_ended() -> None:
    agreement = signed(terms=hotel_terms("2026-03-01", "2026-09-01"))
    with pytest.raises(errors.AgreementHasEnded):
        agreement.draft_amendment(amendment(hotel_terms("2026-10-01")), day("2026-09-01"))


def test_a_suspended_agreement_is_not_suspended_again() -> None:
    agreement = signed()
    agreement.suspend(suspension("2026-04-01"), NOW)
    with pytest.raises(errors.AgreementSuspendedAlready):
        agreement.suspend(suspension("2026-05-01"), NOW)


def test_only_a_suspended_agreement_is_resumed() -> None:
    with pytest.raises(errors.AgreementNotSuspended):
        signed().resume(resumption("2026-04-01"), NOW)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda agreement: agreement.suspend(suspension("2026-02-28"), NOW), "from_at"),
        (lambda agreement: (agreement.suspend(suspension("2026-04-01"), NOW), agreement.resume(resumption("2026-04-01"), NOW)), "from_at"),
        (lambda agreement: agreement.end(ending("2026-03-01"), NOW), "ended_at"),
    ],
    ids=["suspended before it began", "resumed before it was suspended", "ended before it began"],
)
def test_instants_follow_each_other(change, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(errors.ValidityReversed) as refused:
        change(signed())
    assert refused.value.metadata == {"field": field}


# Refusals of terms


@pytest.mark.parametrize(
    ("terms", "error", "metadata"),
    [
        (hotel_terms(scenarios=["TOU.HOTEL"]), errors.ScenarioUnknown, {"field": "scenarios", "scenario": "TOU.HOTEL"}),
        (hotel_terms(scenarios=["TOU.INN.*"]), errors.ScenarioUnknown, {"field": "scenarios", "scenario": "TOU.INN.*"}),
        (hotel_terms("2020-11-30"), errors.ScenarioUnknown, {"field": "scenarios", "scenario": "TOU.HTL"}),
        (hotel_terms(scenarios=[]), errors.ScenarioUnknown, {"field": "scenarios"}),
        (hotel_terms(serving_regions=["510109"]), errors.RegionNotInForce, {"field": "serving_regions", "region": "510109"}),
        (hotel_terms(serving_regions=["500103"]), errors.RegionNotInForce, {"field": "serving_regions", "region": "500103"}),
        (hotel_terms("2026-03-01", "2026-02-28"), errors.ValidityReversed, {"field": "valid_to"}),
        (hotel_terms("2026-03-01", "2026-03-01"), errors.ValidityReversed, {"field": "valid_to"}),
    ],
)  # fmt: skip
def test_terms_are_refused_by_their_field(
    terms: hub_decisions_pb2.AgreementTerms, error: type[errors.HubError], metadata: dict[str, str]
) -> None:
    with pytest.raises(error) as refused:
        check_terms(terms, TABLES)
    assert refused.value.metadata == metadata


def test_a_region_is_in_force_on_the_first_day_or_not_at_all() -> None:
    in_yubei = {"issuer_provinces": ["51"], "serving_provinces": ["50"], "serving_regions": ["500112"]}
    check_terms(hotel_terms("2025-11-05", **in_yubei), TABLES)
    with pytest.raises(errors.RegionNotInForce):
        check_terms(hotel_terms("2025-11-06", **in_yubei), TABLES)


def one(terms: hub_decisions_pb2.AgreementTerms) -> Terms:
    (found,) = terms_in(signed(terms=terms).history)
    return found


HALF_YEAR = hotel_terms("2026-03-01", "2026-09-01", serving_regions=["5101"], venues=["H1", "H2"])


@pytest.mark.parametrize(
    "other",
    [
        hotel_terms("2026-03-01", "2026-09-01", serving_regions=["5101"], venues=["H1", "H2"], scenarios=["TOU.GATE"]),
        hotel_terms("2026-03-01", "2026-09-01", serving_regions=["5101"], venues=["H1", "H2"], issuer_provinces=["51"]),
        hotel_terms("2026-03-01", "2026-09-01", venues=["H1", "H2"], serving_provinces=["50"]),
        hotel_terms("2026-03-01", "2026-09-01", serving_regions=["5103"], venues=["H1", "H2"]),
        hotel_terms("2026-03-01", "2026-09-01", serving_regions=["5101"], venues=["H3"]),
        hotel_terms("2026-03-01", "2026-09-01", serving_regions=["5101"], venues=["H1", "H2"], media=[ECARD_QR]),
        hotel_terms("2026-09-01", serving_regions=["5101"], venues=["H1", "H2"]),
    ],
    ids=["scenario", "issuer", "serving side", "region", "venue", "medium", "time"],
)
def test_agreements_that_differ_in_one_dimension_do_not_overlap(other: hub_decisions_pb2.AgreementTerms) -> None:
    assert not overlap(one(HALF_YEAR), one(other))
    assert not overlap(one(other), one(HALF_YEAR))


@pytest.mark.parametrize(
    "other",
    [
        hotel_terms("2026-08-31"),
        hotel_terms("2020-12-01", "2026-03-02", scenarios=["TOU.*"], media=[], issuer_provinces=["50", "51"]),
        hotel_terms("2026-03-01", serving_regions=["510107"], venues=["H2", "H3"], concession=4, settlement=3),
    ],
)
def test_agreements_that_meet_in_every_dimension_overlap(other: hub_decisions_pb2.AgreementTerms) -> None:
    assert overlap(one(HALF_YEAR), one(other))
    assert overlap(one(other), one(HALF_YEAR))


def test_a_suspended_agreement_overlaps_too() -> None:
    agreement = signed("OTHER")
    agreement.suspend(suspension("2026-03-01"), NOW)
    with pytest.raises(errors.AgreementOverlap) as refused:
        check_overlap([one(hotel_terms())], terms_in(agreement.history))
    assert refused.value.metadata == {"agreement": "OTHER", "rule": "no_overlap"}


def test_the_seeded_history_keeps_every_rule() -> None:
    seeded = seed_agreements(ROWS, NOW)
    for agreement in seeded:
        check_terms(agreement.terms, TABLES)
        check_overlap(terms_in(agreement.history), [t for o in seeded if o is not agreement for t in terms_in(o.history)])


def test_a_refusal_of_the_edge_names_the_other_agreement() -> None:
    status = to_status(errors.AgreementOverlap(agreement="OTHER", rule="no_overlap"))
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert (status.code, info.reason, info.metadata["agreement"]) == (code_pb2.FAILED_PRECONDITION, "AGREEMENT_OVERLAP", "OTHER")


# On PostgreSQL


@pytest.fixture
def store(dsn: str) -> Iterator[AggregateStore]:
    store = AggregateStore(dsn)
    yield store
    store.close()


@pytest.fixture(scope="module")
def seeded(server_dsn: str) -> Iterator[AggregateStore]:
    """A journal with the historical agreements, for the tests whose agreements do not meet."""
    with fresh_database(server_dsn, f"hub_test_agreements_{os.getpid()}") as dsn:
        store = AggregateStore(dsn)
        load_agreements(store, NOW)
        yield store
        store.close()


def draft_hotel(store: AggregateStore, terms: hub_decisions_pb2.AgreementTerms | None = None, code: str = "HOTEL") -> None:
    desk.draft_agreement(store, code, terms or hotel_terms(), Officer("50", "5001"), NOW)


def sign_hotel(store: AggregateStore, code: str = "HOTEL") -> None:
    for side in ("50", "51"):
        desk.sign_agreement(store, code, signature(side), NOW)


def seen(dsn: str) -> Agreements:
    """What decisions read."""
    with runner.connect(dsn) as connection:
        create_views(connection, (AGREEMENTS,))
        while advance(connection, AGREEMENTS):
            pass
        return read_agreements(connection)[1]


def test_the_whole_life_is_in_the_view_before_and_after_each_instant(dsn: str, store: AggregateStore) -> None:
    draft_hotel(store)
    assert in_force(seen(dsn), "2026-03-01") == []
    sign_hotel(store)
    desk.amend_agreement(store, "HOTEL", hotel_terms("2026-06-01", media=[]), Officer("51", "5101"), NOW)
    sign_hotel(store)
    desk.suspend_agreement(store, "HOTEL", suspension("2026-07-01"), NOW)
    desk.resume_agreement(store, "HOTEL", resumption("2026-08-01"), NOW)
    desk.end_agreement(store, "HOTEL", ending("2026-10-01"), NOW)
    terms = seen(dsn)
    with runner.connect(dsn) as connection:
        row = connection.execute("SELECT history FROM views.agreement_history").fetchone()
    assert row == (desk.find_agreement(store, "HOTEL").history.SerializeToString(deterministic=True),)
    assert {on: in_force(terms, on) for on in ("2026-02-28", "2026-03-01", "2026-05-31", "2026-06-01", "2026-06-30")} == {
        "2026-02-28": [], "2026-03-01": ["HOTEL"], "2026-05-31": ["HOTEL"], "2026-06-01": ["HOTEL.2"], "2026-06-30": ["HOTEL.2"],
    }  # fmt: skip
    assert {on: in_force(terms, on) for on in ("2026-07-01", "2026-07-31", "2026-08-01", "2026-09-30", "2026-10-01")} == {
        "2026-07-01": [], "2026-07-31": [], "2026-08-01": ["HOTEL.2"], "2026-09-30": ["HOTEL.2"], "2026-10-01": [],
    }  # fmt: skip


def test_an_overlap_is_not_activated_and_nothing_of_it_is_recorded(seeded: AggregateStore) -> None:
    terms = hotel_terms(scenarios=["TRA.MET"], media=[acceptance_pb2.MEDIUM_CONTACTLESS])
    draft_hotel(seeded, terms, "METRO")
    desk.sign_agreement(seeded, "METRO", signature("50"), NOW)
    with pytest.raises(errors.AgreementOverlap) as refused:
        desk.sign_agreement(seeded, "METRO", signature("51"), NOW)
    assert refused.value.metadata["agreement"] == "ORD-TRANSIT/1"
    assert desk.find_agreement(seeded, "METRO").missing_sides() == ["51"]


def test_an_amendment_that_overlaps_another_agreement_is_not_made(seeded: AggregateStore) -> None:
    for code, regions in (("HOTEL-A", ["5101"]), ("HOTEL-B", ["5103"])):
        draft_hotel(seeded, hotel_terms(serving_regions=regions), code)
        sign_hotel(seeded, code)
    desk.amend_agreement(seeded, "HOTEL-A", hotel_terms("2026-06-01"), Officer("50", "5001"), NOW)
    desk.sign_agreement(seeded, "HOTEL-A", signature("50"), NOW)
    with pytest.raises(errors.AgreementOverlap) as refused:
        desk.sign_agreement(seeded, "HOTEL-A", signature("51"), NOW)
    assert refused.value.metadata["agreement"] == "HOTEL-B"


def test_after_the_other_agreement_has_ended_there_is_no_overlap(seeded: AggregateStore) -> None:
    draft_hotel(seeded, hotel_terms(serving_regions=["5104"]), "FIRST")
    sign_hotel(seeded, "FIRST")
    desk.end_agreement(seeded, "FIRST", ending("2026-06-01"), NOW)
    draft_hotel(seeded, hotel_terms("2026-06-01", serving_regions=["5104"]), "NEXT")
    sign_hotel(seeded, "NEXT")
    assert desk.find_agreement(seeded, "NEXT").status(day("2026-06-01")) == "ACTIVE"


def test_who_comes_second_to_one_version_is_refused(seeded: AggregateStore) -> None:
    draft_hotel(seeded, code="TWICE")
    with pytest.raises(errors.AgreementChanged), desk._changing(seeded, "TWICE") as agreement:
        agreement.sign(signature("50"), NOW)
        first = seeded.get(Agreement, agreement.id)
        assert first is not None
        first.sign(signature("51"), NOW)
        seeded.save(first)
        seeded.save(agreement)


def test_the_table_is_no_person_and_its_agreements_are_not_drafted_anew(seeded: AggregateStore) -> None:
    with pytest.raises(errors.AgreementExists):
        draft_hotel(seeded, code="ORD-GOV/1")
    draft_hotel(seeded, code="NOBODY")
    with pytest.raises(errors.OfficerRepeated):
        desk.sign_agreement(seeded, "NOBODY", signature("50", "reference-table"), NOW)
    with pytest.raises(errors.RequestInvalid):
        desk.draft_agreement(seeded, "NOBODY", hotel_terms(), Officer("50", "reference-table"), NOW)


def test_a_code_that_is_not_there_is_unknown(seeded: AggregateStore) -> None:
    with pytest.raises(errors.AgreementUnknown) as refused:
        desk.sign_agreement(seeded, "NOWHERE", signature("50"), NOW)
    assert refused.value.metadata == {"agreement": "NOWHERE"}


@pytest.mark.parametrize(
    ("terms", "officer", "path"),
    [
        (hotel_terms(concession=0), Officer("50", "5001"), "terms.concession"),
        (hotel_terms(issuer_provinces=["52"]), Officer("50", "5001"), "terms.issuer_provinces"),
        (hotel_terms(data_items=["card number"]), Officer("50", "5001"), "terms.data_items"),
        (hotel_terms(), Officer("", "5001"), "side"),
        (hotel_terms(), Officer("50", ""), "officer"),
    ],
)
def test_a_draft_of_bad_shape_is_refused_by_its_field(
    seeded: AggregateStore, terms: hub_decisions_pb2.AgreementTerms, officer: Officer, path: str
) -> None:
    with pytest.raises(errors.RequestInvalid) as refused:
        desk.draft_agreement(seeded, "SHAPELESS", terms, officer, NOW)
    assert [field for field, _ in refused.value.violations] == [path]


# The reference table


def edited(agreement_id: str, version: int, **changes: object) -> list[reference.Agreement]:
    return [replace(row, **changes) if (row.agreement_id, row.version) == (agreement_id, version) else row for row in ROWS]  # type: ignore[arg-type]


def test_an_agreement_recorded_before_drafts_named_their_officer_is_one_of_the_table() -> None:
    terms = table_terms(ROWS[0])
    history = evolve(None, hub_decisions_pb2.AgreementDrafted(agreement_code="QR-SC-HOSTS/1", terms=terms))
    assert history.table_terms == terms


def test_a_table_that_is_unchanged_brings_nothing(seeded: AggregateStore) -> None:
    assert load_agreements(seeded, NOW) == Loaded()


def test_an_edited_row_is_brought_in_once(dsn: str, store: AggregateStore) -> None:
    load_agreements(store, NOW)
    rows = edited("QR-SC-HOSTS", 1, serving_regions=("5101", "5103"))
    assert load_agreements(store, NOW, rows) == Loaded(amended=["QR-SC-HOSTS/1"])
    assert load_agreements(store, NOW, rows) == Loaded()
    assert in_force(seen(dsn), "2021-01-01", "TRA.QR", "510300") == ["QR-SC-HOSTS/1.2"]
    assert in_force(seen(dsn), "2021-01-01", "TRA.QR", "510100") == ["QR-SC-HOSTS/1.2"]


def test_a_corrected_first_day_is_no_new_agreement(dsn: str, store: AggregateStore) -> None:
    load_agreements(store, NOW)
    rows = edited("QR-SC-HOSTS", 1, valid_from=date(2020, 12, 15))
    assert load_agreements(store, NOW, rows) == Loaded(amended=["QR-SC-HOSTS/1"])
    assert load_agreements(store, NOW, rows) == Loaded()
    terms = seen(dsn)
    assert [in_force(terms, on, "TRA.QR") for on in ("2020-12-14", "2020-12-15")] == [[], ["QR-SC-HOSTS/1.2"]]


def test_a_row_that_ends_where_a_new_one_begins_is_no_overlap(store: AggregateStore) -> None:
    load_agreements(store, NOW)
    rows = edited("ORD-GOV", 1, valid_to=date(2027, 1, 1))
    (closed,) = [row for row in rows if row.agreement_id == "ORD-GOV"]
    rows.append(replace(closed, version=2, valid_from=date(2027, 1, 1), valid_to=None, concession="HOST_RULES"))
    assert load_agreements(store, NOW, rows) == Loaded(appended=["ORD-GOV/2"], amended=["ORD-GOV/1"])


def test_a_row_in_between_leaves_the_others_their_codes(store: AggregateStore) -> None:
    load_agreements(store, NOW)
    rows = edited("LIB-SC-HOSTS", 1, valid_to=date(2021, 9, 1))
    between = replace(next(row for row in rows if row.agreement_id == "LIB-SC-HOSTS" and row.version == 1), version=2)
    rows.append(replace(between, valid_from=date(2021, 9, 1), valid_to=date(2022, 4, 23)))
    assert load_agreements(store, NOW, rows) == Loaded(appended=["LIB-SC-HOSTS/2021-09-01"], amended=["LIB-SC-HOSTS/1"])


def test_a_removed_row_is_reported_and_stays(dsn: str, store: AggregateStore) -> None:
    load_agreements(store, NOW)
    rows = [row for row in ROWS if row.agreement_id != "QR-SC-HOSTS"]
    assert load_agreements(store, NOW, rows) == Loaded(removed=["QR-SC-HOSTS/1"])
    assert in_force(seen(dsn), "2026-01-01", "TRA.QR") == ["QR-SC-HOSTS/1"]


def test_an_edit_does_not_undo_what_both_sides_signed_since(dsn: str, store: AggregateStore) -> None:
    load_agreements(store, NOW)
    desk.end_agreement(store, "QR-SC-HOSTS/1", ending("2026-06-01"), NOW)
    loaded = load_agreements(store, NOW, edited("QR-SC-HOSTS", 1, concession="MUTUAL"))
    assert loaded == Loaded(refused={"QR-SC-HOSTS/1": "changed by both sides since; draft an amendment"})
    assert in_force(seen(dsn), "2026-06-01", "TRA.QR") == []


def test_a_row_that_overlaps_another_agreement_is_left_out_and_reported(seeded: AggregateStore) -> None:
    row = replace(ROWS[0], agreement_id="QR-AGAIN", version=1, valid_from=date(2026, 1, 1))
    loaded = load_agreements(seeded, NOW, [*ROWS, row])
    assert list(loaded.refused) == ["QR-AGAIN/1"]
    assert "QR-SC-HOSTS/1" in loaded.refused["QR-AGAIN/1"]


# The file of terms


FILE = """code = "HOTEL"
scenarios = ["TOU.HTL"]
issuer_provinces = ["50"]
serving_provinces = ["51"]
media = ["CONTACT"]
concession = "NONE"
settlement = "NONE"
legal_basis = "试点约定"
valid_from = 2026-03-01
"""


def test_a_file_of_terms_is_read_with_days_in_local_time() -> None:
    assert read_terms(FILE.encode()) == ("HOTEL", hotel_terms("2026-03-01"))
    assert read_terms(f"{FILE}valid_to = 2026-09-01T00:00:00+08:00".encode()) == ("HOTEL", hotel_terms("2026-03-01", "2026-09-01"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('concession = "NONE"', "", ("concession", "required")),
        ('concession = "NONE"', 'concession = "ALL"', ("concession", "value")),
        ('media = ["CONTACT"]', 'media = ["RADIO"]', ("media", "value")),
        ('scenarios = ["TOU.HTL"]', 'scenarios = "TOU.HTL"', ("scenarios", "value")),
        ("valid_from = 2026-03-01", 'valid_from = "soon"', ("valid_from", "value")),
        ('code = "HOTEL"', "code = 7", ("code", "value")),
        ('code = "HOTEL"', 'codes = "HOTEL"', ("codes", "unknown_field")),
        ('code = "HOTEL"', "code", ("file", "toml")),
    ],
)
def test_a_file_of_terms_is_refused_by_its_field(old: str, new: str, problem: tuple[str, str]) -> None:
    with pytest.raises(errors.RequestInvalid) as refused:
        read_terms(FILE.replace(old, new).encode())
    assert refused.value.violations == [problem]


# The commands


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Runs a command on the test's database and returns its exit code and what it said."""
    monkeypatch.setenv("HUB_DSN", dsn)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["agreements", *arguments])
        return result.exit_code, result.output

    return run


def test_the_commands_lead_an_agreement_through_its_life(run, dsn: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file, amended = tmp_path / "hotel.toml", tmp_path / "amended.toml"
    file.write_text(FILE, encoding="utf-8")
    amended.write_text(FILE.replace("2026-03-01", "2026-06-01").replace('"NONE"', '"MUTUAL"', 1), encoding="utf-8")
    both = (("--side", "50", "--maker", "5001", "--checker", "5002"), ("--side", "51", "--maker", "5101", "--checker", "5102"))
    assert run("draft", str(file), "--side", "50", "--officer", "5001") == (0, "HOTEL: 已起草 drafted, 位置 position 1\n")
    assert [run("sign", "HOTEL", *options)[0] for options in both] == [0, 0]
    assert run("amend", "HOTEL", str(amended), "--side", "51", "--officer", "5101")[0] == 0
    assert "待签 waits for: 重庆 Chongqing, 四川 Sichuan" in run("show", "HOTEL")[1]
    assert [run("sign", "HOTEL", *options)[0] for options in both] == [0, 0]
    assert run("suspend", "HOTEL", "--reason", "DISPUTE", "--from", "2026-07-01")[0] == 0
    assert run("resume", "HOTEL", "--reason", "SETTLED", "--from", "2026-08-01T09:30:00")[0] == 0
    assert run("end", "HOTEL", "--reason", "BY_CONSENT", "--at", "2030-01-01")[0] == 0
    (listed,) = json.loads(run("list", "--at", "2026-07-15", "--json")[1])
    assert listed == {
        "code": "HOTEL", "status": "SUSPENDED", "scenarios": ["TOU.HTL"], "direction": "50→51", "concession": "MUTUAL",
        "valid_from": "2026-06-01", "valid_to": "2030-01-01", "waits_for": []}  # fmt: skip
    assert "介质 media: 实体卡接触式 CONTACT" in run("show", "HOTEL")[1]
    assert "中止 SUSPENDED" in run("list", "--at", "2026-07-15")[1]
    assert "中止 suspended: 2026-07-01 → 2026-08-01T09:30:00+08:00 (DISPUTE)" in run("show", "HOTEL")[1]
    with psycopg.connect(dsn) as connection:
        kinds = [row[0] for row in connection.execute("SELECT kind FROM journal.event ORDER BY position").fetchall()]
    assert kinds == [
        "agreement_drafted", "agreement_signed", "agreement_signed", "agreement_activated", "agreement_amendment_drafted",
        "agreement_signed", "agreement_signed", "agreement_amended", "agreement_suspended", "agreement_resumed",
        "agreement_ended"]  # fmt: skip


def test_a_refused_command_says_why_in_one_line(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run("sign", "HOTEL", "--side", "50", "--maker", "1", "--checker", "2") == (
        1, "✗ 没有这个编号的约定；见 `hub agreements list`。 "
        "There is no agreement under this code; see `hub agreements list`. agreement=HOTEL\n")  # fmt: skip
    bad = tmp_path / "bad.toml"
    bad.write_text(FILE.replace("TOU.HTL", "TOU.HOTEL"), encoding="utf-8")
    assert run("draft", str(bad), "--side", "50", "--officer", "5001") == (
        1, "✗ 条款首日目录中没有其中的场景。 "
        "A scenario is not in the catalogue on the first day of the terms. field=scenarios scenario=TOU.HOTEL\n")  # fmt: skip
    assert run("suspend", "HOTEL", "--reason", "X", "--from", "tomorrow")[0] == 2
