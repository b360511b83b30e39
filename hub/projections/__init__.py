"""The views: each a table, the kinds it reads, and two pure functions; `engine` runs them all. A new view is a file and a line here."""

from hub.projections.projection import View
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_answers import CARD_ANSWERS
from hub.projections.views.card_index import CARD_INDEX
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.cases import CASES
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.consumption import COUPONS, POINTS
from hub.projections.views.contradictions import CLAIM_TALLY, CODES_SHOWN_AGAIN
from hub.projections.views.culture import LOANS, VISITS
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.decision_tally import DECISION_TALLY
from hub.projections.views.entries import ENTRIES
from hub.projections.views.feed_progress import FEED_PROGRESS
from hub.projections.views.findings import FINDINGS
from hub.projections.views.fund_serials import FUND_SERIALS
from hub.projections.views.funds import FUND_ACCOUNTS, FUND_BATCHES, FUND_ROWS
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.indicator_answers import INDICATOR_ANSWERS
from hub.projections.views.indicator_taps import INDICATOR_TAPS
from hub.projections.views.indicator_things import INDICATOR_THINGS
from hub.projections.views.item_changes import ITEM_CHANGES
from hub.projections.views.losses import LOSSES
from hub.projections.views.medical import FILINGS, INSTITUTIONS, SETTLEMENTS
from hub.projections.views.person_cards import PERSON_CARDS
from hub.projections.views.quarantine import QUARANTINE
from hub.projections.views.raised_findings import RAISED_FINDINGS
from hub.projections.views.refused_trips import REFUSED_TRIPS
from hub.projections.views.registers import REGISTERS
from hub.projections.views.use_steps import USE_STEPS

PROJECTIONS: tuple[View, ...] = (
    CARD_STANDING,
    CARD_ALIAS,
    HOLDER_CARDS,
    AGREEMENTS,
    HOLDER_RECORD,
    REGISTERS,
    CONCESSIONS,
    ENTRIES,
    FEED_PROGRESS,
    DAILY_USAGE,
    LOSSES,
    FINDINGS,
    PERSON_CARDS,
    QUARANTINE,
    CASES,
    DECISION_TALLY,
    CARD_ANSWERS,
    FILINGS,
    SETTLEMENTS,
    LOANS,
    VISITS,
    COUPONS,
    POINTS,
    REFUSED_TRIPS,
    CARD_INDEX,
    ITEM_CHANGES,
    INSTITUTIONS,
    CODES_SHOWN_AGAIN,
    CLAIM_TALLY,
    FUND_ROWS,
    FUND_BATCHES,
    FUND_SERIALS,
    FUND_ACCOUNTS,
    USE_STEPS,
    RAISED_FINDINGS,
    INDICATOR_THINGS,
    INDICATOR_ANSWERS,
    INDICATOR_TAPS,
)
# What an answer rests on: these move as one, first in every round, so that an answer's `as_of_position` is true of all of them.
DECIDED_BY: tuple[View, ...] = (
    CARD_STANDING,
    CARD_ALIAS,
    HOLDER_CARDS,
    AGREEMENTS,
    HOLDER_RECORD,
    REGISTERS,
    CONCESSIONS,
    ENTRIES,
    LOANS,
    ITEM_CHANGES,
    INSTITUTIONS,
)

# What is folded before all others: what answers rest on, and what the processes rest on, which answer requests.
FOLDED_FIRST: tuple[View, ...] = (*DECIDED_BY, LOSSES)


def moving_with(projection: View) -> tuple[View, ...]:
    """Returns the views that are always at one position with this one, itself included."""
    if projection.name not in {view.name for view in DECIDED_BY}:
        return (projection,)
    return tuple(projection if view.name == projection.name else view for view in DECIDED_BY)
