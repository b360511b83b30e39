"""The acceptance rules A01 to A90 [D], one small function each; `hub.domain.acceptance` asks them.

A rule returns the code of a reason, or None. What a service point has checked itself comes as claims: a claim that is absent was not
said, and a rule speaks only if what was said, or what the hub knows, breaks it. Where the condition is the caller's to show (a filing,
an identity, a power of attorney), silence breaks it. A rule whose condition the hub has on record as well returns what it weighed
(`hub.domain.records.weighing`).

Precedence: all reasons are returned in the order of the rules, and the strictest gives the outcome. Overrides, all of them here:

- Of a card that the hub does not know (A01), nothing is said that only its lives could show; the hub's own block (A03) holds for it too.
- A book is always taken back (A32): no other rule is asked for CUL.LIB.RET.
- A loss report never needs the card (A70): for CARD.LOSS neither its block (A03), kind (A05), e-card (A06) nor chip (A07) is asked about.
- Money goes to the account, whose own life decides (A60): for FND.PAY neither the plastic's loss (A02) nor its block (A03) is looked at; a
  cancellation, as by the holder's death, stops it (A02); a death reported of another card has its issuer asked first (A08).
- A PIN is the issuer's business (A72): CARD.PIN is not asked about agreements, it is referred.
- An e-card that its holder has authorised again passes a temporary loss (A02) [S14][S15].
- A ride with an elder's concession rests on the agreement about the ride; the concession is A22's and A23's.
"""

from hub.domain.rules import any_use, civic, culture, documents, items, medical, transit
from hub.domain.rules.rule import Rule

OFFLINE_MODES = {"TRA": "DEVICE_HOTLIST", "CUL": "CACHED_STATUS_24H", "MED": "FAIL_CLOSED", "FND": "FAIL_CLOSED", "GOV.CASE": "FAIL_CLOSED"}
_FOUND = (found for part in (any_use, civic, culture, documents, items, medical, transit) for found in vars(part).values())
RULES: tuple[Rule, ...] = tuple(sorted((found for found in _FOUND if isinstance(found, Rule)), key=lambda rule: rule.rule_id))


def offline_mode(scenario: str) -> str:
    """A90: what a service point does while it cannot reach the hub: DEVICE_HOTLIST, CACHED_STATUS_24H or FAIL_CLOSED, also the default."""
    return OFFLINE_MODES.get(scenario) or OFFLINE_MODES.get(scenario.partition(".")[0], "FAIL_CLOSED")
