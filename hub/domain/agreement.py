"""An agreement between the two sides: whose cards, where, for what, by which medium, from when; and whether it covers a use.

An agreement is drafted, signed by both sides (a maker and a checker on each) and then active. It takes effect by instant, not
by the moment someone switches it on. The historical ones come from the reference table and are appended as events like any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.aggregate import HubAggregate
from hub.domain.reference import Agreement as AgreementRow

LOCAL = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of an agreement, as `decide` needs it; an empty set means all. Instants in microseconds since 1970."""

    code: str
    scenarios: frozenset[str]
    issuer_provinces: frozenset[str]
    serving_provinces: frozenset[str]
    serving_regions: tuple[str, ...]
    venues: frozenset[str]
    media: frozenset[int]
    from_us: int
    to_us: int | None

    def covers_place(self, region: str, venue: str) -> bool:
        """Whether region and venue are among the listed ones."""
        return (not self.serving_regions or region.startswith(self.serving_regions)) and (not self.venues or venue in self.venues)

    def covers_scenario(self, scenario: str) -> bool:
        """Whether the scenario is listed, by itself or by a group such as CUL.LIB.*."""
        return scenario in self.scenarios or any(pattern.endswith(".*") and scenario.startswith(pattern[:-1]) for pattern in self.scenarios)

    def is_in_force(self, at_us: int) -> bool:
        """Whether it is in force at an instant."""
        return self.from_us <= at_us and (self.to_us is None or at_us < self.to_us)


class Agreements:
    """All agreements there are, found by scenario and direction without asking each of them."""

    def __init__(self, terms: Iterable[Terms]) -> None:
        """Order is kept: answers name agreements in it."""
        self._all = tuple(terms)
        self._found: dict[tuple[str, str, str], tuple[Terms, ...]] = {}

    def about(self, scenario: str, issuer: str, region: str, venue: str) -> list[Terms]:
        """Returns the agreements that speak of this scenario, direction and place, in force or not."""
        key = (scenario, issuer, region[:2])
        found = self._found.get(key)
        if found is None:
            found = tuple(
                terms
                for terms in self._all
                if issuer in terms.issuer_provinces and region[:2] in terms.serving_provinces and terms.covers_scenario(scenario)
            )
            # Scenarios and provinces come from our own tables, so the index stays small.
            self._found[key] = found
        return [terms for terms in found if terms.covers_place(region, venue)]


def terms_of(code: str, message: decisions.AgreementTerms) -> Terms:
    """Reads the stored terms of the agreement *code*."""
    return Terms(
        code=code,
        scenarios=frozenset(message.scenarios),
        issuer_provinces=frozenset(message.issuer_provinces),
        serving_provinces=frozenset(message.serving_provinces),
        serving_regions=tuple(message.serving_regions),
        venues=frozenset(message.venues),
        media=frozenset(message.media),
        from_us=message.valid_from.seconds * 1_000_000,
        to_us=message.valid_to.seconds * 1_000_000 if message.HasField("valid_to") else None,
    )


class Agreement(HubAggregate):
    """One version of an agreement: drafted, signed by both sides, active."""

    def __init__(self, drafted: decisions.AgreementDrafted) -> None:
        """Starts from the draft."""
        self.code = drafted.agreement_code
        self.terms = drafted.terms
        self.signed_by: set[str] = set()
        self.is_active = False

    @staticmethod
    def create_id(code: str, valid_from: date) -> UUID:
        """The id follows from code and first day, so that loading the same history twice appends it once."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:agreement:{code}:{valid_from.isoformat()}")

    def sign(self, signed: decisions.AgreementSigned, at: datetime) -> None:
        """Records one side's signature; the second one makes the agreement active."""
        assert signed.maker != signed.checker, "maker and checker are two people"
        self.record("agreement_signed", signed, at)
        if self.signed_by == {"50", "51"}:
            activated = decisions.AgreementActivated(agreement_code=self.code, terms=self.terms)
            self.record("agreement_activated", activated, at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, decisions.AgreementSigned):
            self.signed_by.add(message.side)
        elif kind == "agreement_activated":
            self.is_active = True


def seed_agreements(rows: Iterable[AgreementRow], at: datetime) -> list[Agreement]:
    """Makes the historical agreements of the reference table, signed by both sides on record."""
    agreements = []
    for row in rows:
        draft = decisions.AgreementDrafted(agreement_code=f"{row.agreement_id}/{row.version}", terms=_terms_message(row))
        agreement = Agreement.begin("agreement_drafted", draft, Agreement.create_id(row.agreement_id, row.valid_from), at)
        for side in ("50", "51"):
            agreement.sign(decisions.AgreementSigned(side=side, maker="historical-record", checker="published-text"), at)
        agreements.append(agreement)
    return agreements


def _terms_message(row: AgreementRow) -> decisions.AgreementTerms:
    terms = decisions.AgreementTerms(
        scenarios=sorted(row.scenarios),
        issuer_provinces=sorted(row.issuer_provinces),
        serving_provinces=sorted(row.serving_provinces),
        serving_regions=sorted(row.serving_regions),
        venues=sorted(row.venues),
        media=sorted(acceptance.Medium.Value(f"MEDIUM_{medium}") for medium in row.media),
        concession=decisions.ConcessionTerms.Value(f"CONCESSION_TERMS_{row.concession}"),
        settlement=decisions.SettlementTerms.Value(f"SETTLEMENT_TERMS_{row.settlement}"),
        legal_basis=row.legal_basis,
        source=row.source,
    )
    terms.valid_from.FromDatetime(_local_midnight(row.valid_from))
    if row.valid_to is not None:
        terms.valid_to.FromDatetime(_local_midnight(row.valid_to))
    return terms


def _local_midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL).astimezone(UTC)
