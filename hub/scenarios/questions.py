"""The questions that scenarios may ask, by their names."""

from collections.abc import Mapping

from hub.scenarios import consumption, culture, funds, groups, medical, transit
from hub.scenarios.cases import QUESTION
from hub.scenarios.ledgers import FURTHER, Ledger
from hub.scenarios.scenario import LIVES

LEDGERS: Mapping[str, Ledger] = {
    "filings": medical.Filings(),
    "settlement": medical.Chain(),
    "medical_uses": medical.MedicalUses(),
    "reader": culture.Readers(),
    "loans": culture.Loans(),
    "visits": culture.Visits(),
    "coupons": consumption.Coupons(),
    "coupon_funding": consumption.Funding(),
    "fund_batch": funds.Batches(),
    "fund_rows": funds.Rows(),
    "group_service": groups.GroupService(),
    "journeys": transit.Journeys(),
    "rejected_trips": transit.RejectedTrips(),
}
# For each kind of question: what it must say, what it may say, what its answer may be compared with.
QUESTIONS: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "acceptance": (
        frozenset({"card", "scenario", "region", "medium", "at"}),
        frozenset({"venue", "claims", "refs", "known_at"}),
        frozenset({"outcome", "reasons", "advice", "basis", "contradictions"}),
    ),
    "standing": (frozenset({"card", "at"}), frozenset(), frozenset(LIVES)),
    "findings": (frozenset({"card", "at"}), frozenset(), frozenset({"findings"})),
    "use": (
        frozenset({"card", "at"}),
        frozenset({"hotlist_at", "medium"}),
        frozenset({"finding", "in_liability_window", "against"}),
    ),
    "usage": (frozenset({"day", "issuer", "region", "scenario"}), frozenset({"known_at"}), frozenset({"uses", "amount_fen"})),
    "case": QUESTION,
    **{kind: (one.needed, one.further | FURTHER, one.answers) for kind, one in LEDGERS.items()},
}
