"""The views: each a table, the kinds it reads, and two pure functions; `engine` runs them all. A new view is a file and a line here."""

from hub.projections.agreements import AGREEMENTS
from hub.projections.card_alias import CARD_ALIAS
from hub.projections.card_standing import CARD_STANDING
from hub.projections.daily_usage import DAILY_USAGE
from hub.projections.engine import Projection
from hub.projections.feed_progress import FEED_PROGRESS
from hub.projections.findings import FINDINGS
from hub.projections.losses import LOSSES
from hub.projections.person_cards import PERSON_CARDS
from hub.projections.quarantine import QUARANTINE

# What an answer rests on comes first: it is folded first in every round.
PROJECTIONS: tuple[Projection, ...] = (
    CARD_STANDING,
    CARD_ALIAS,
    AGREEMENTS,
    FEED_PROGRESS,
    DAILY_USAGE,
    LOSSES,
    FINDINGS,
    PERSON_CARDS,
    QUARANTINE,
)
DECIDED_BY: tuple[Projection, ...] = (CARD_STANDING, CARD_ALIAS, AGREEMENTS)
