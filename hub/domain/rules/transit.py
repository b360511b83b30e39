"""The rules for rides (TRA.*), an elder's among them."""

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.concessions import CARRIES, balance, binding_of, scheme_at
from hub.domain.instants import MINUTE_US, SECOND_US
from hub.domain.netting_taps import CLOCK_TOLERANCE_US
from hub.domain.records.weighing import UNKNOWN, OnRecord, Reasons, Weighed, weigh
from hub.domain.rule_input import METRO, RIDES, RuleInput
from hub.domain.rules.rule import rule
from hub.domain.transit import entries


@rule(
    "A20",
    "卡带有已启用的交通应用",
    "The card carries an active transit application",
    *RIDES,
    "TRA.ELD",
    sees=("question.medium", "standing.generation", "standing.transit_purse_status"),
)
def a20_transit_application(asked: RuleInput) -> str | None:
    """A20, rides by contactless chip: third generation, transit purse active; one on the hotlist is A21's."""
    if asked.question.medium != acceptance.MEDIUM_CONTACTLESS:
        return None
    standing = asked.standing
    return None if standing.generation == "THIRD" and standing.transit_purse_status in ("ACTIVE", "HOTLISTED") else "NO_TRANSIT_APP"


@rule(
    "A21",
    "余额足且不在黑名单",
    "Balance suffices, and not on the hotlist",
    "TRA.*",
    sees=("standing.transit_purse_status", "claims.on_device_hotlist", "claims.purse_balance_fen", "claims.least_fare_fen"),
)
def a21_balance_and_hotlist(asked: RuleInput) -> str | None:
    """A21, TRA.*: not on the hotlist the device holds, nor on the issuer's; the purse has the least fare."""
    claims = asked.question.claims
    if claims.on_device_hotlist or asked.standing.transit_purse_status == "HOTLISTED":
        return "HOTLIST"
    return "BALANCE" if claims.HasField("purse_balance_fen") and claims.purse_balance_fen < claims.least_fare_fen else None


@rule(
    "A22",
    "符合服务地老年优待条件",
    "The serving city's conditions for elders hold",
    "TRA.ELD",
    sees=(
        "holder.age",
        "policy.elderTransitAgeYears",
        "policy.leapDayBirthday",
        "question.medium",
        "claims.resides_in_service_city",
        "claims.concession_bound",
        "claims.concession_units_left",
        "record.CONCESSIONS",
    ),
)
def a22_elder_conditions(asked: RuleInput) -> str | Weighed | None:
    """A22, TRA.ELD: age by the serving city's local midnight, residence, concession bound to this medium, units left.

    The last two are on record, by city and person. The record lags the taps: it overrules a claim only where the units are used up, or the
    concession is bound elsewhere.
    """
    threshold, age = asked.serving_policy("elderTransitAgeYears"), asked.age()
    if not threshold:
        return "ELDER_NO_SCHEME"
    if age is None:
        return "AGE_UNKNOWN"
    if age < int(threshold):
        return "ELDER_AGE"
    if asked.denies("resides_in_service_city"):
        return "ELDER_RESIDENCE"
    bound = weigh(asked.claimed("concession_bound"), _binding(asked), Reasons("ELDER_NOT_BOUND"))
    if bound.reason_code:
        return bound
    units = weigh(asked.claimed("concession_units_left"), _units(asked), Reasons("ELDER_NO_UNITS"))
    return units if units.basis else bound


def _units(asked: RuleInput) -> OnRecord:
    """Whether units are left by the ledger; nothing in it says something only where the city's operator reports all."""
    question, records = asked.question, asked.records
    scheme = scheme_at(asked.reference, question.service_region, question.at_us)
    if scheme is None:
        return UNKNOWN
    known, register = balance(records.units, scheme, question.service_region, question.at_us), ("CONCESSIONS", question.service_region[:2])
    if not known.position:
        return records.silence(question.at_us, register, holds=True)
    return records.says(register, question.at_us, known.position, holds=known.left > 0)


def _binding(asked: RuleInput) -> OnRecord:
    """Whether the concession of the serving city is bound to the medium that is shown, by what was reported of it last."""
    question = asked.question
    bound = binding_of(asked.records.facts, question.service_region, question.at_us)
    if bound is None or bound.detail["binding"] == "NONE":
        return UNKNOWN
    holds = bound.detail["binding"] == CARRIES.get(question.medium)
    return asked.records.says(("CONCESSIONS", question.service_region[:2]), question.at_us, bound.position, holds=holds)


@rule(
    "A23",
    "约定互惠优待",
    "The agreement makes concessions mutual",
    "TRA.ELD",
    cross_province_only=True,
    sees=("agreements", "question.medium"),
)
def a23_mutual_concession(asked: RuleInput) -> str | None:
    """A23, TRA.ELD cross-province: an agreement that covers this medium makes concessions mutual; so far there is none."""
    covers = asked.covering()
    return None if any(terms.concession == "MUTUAL" for terms in covers) else "CONCESSION_NOT_MUTUAL"


@rule(
    "A24",
    "出站有时限内的进站记录",
    "An exit has its entry within the longest stay",
    METRO,
    sees=("claims.is_exit", "claims.entered_at", "claims.purse_counter", "policy.metroMaxDwellMinutes", "record.ENTRIES"),
    where_named=True,
)
def a24_entry_matches(asked: RuleInput) -> str | Weighed | None:
    """A24, TRA.MET exit: an entry within the longest stay, or the incomplete journey's fare.

    The card carries its entry, and the gates report it: where the counter of the exit names an entry in another city or at another time,
    the journey is incomplete. An entry that has not been reported yet says nothing.
    """
    if not asked.question.is_exit:
        return None
    return weigh(_entry_claimed(asked), _entry_recorded(asked), Reasons("INCOMPLETE_JOURNEY", silent="INCOMPLETE_JOURNEY"))


def _longest_stay_us(asked: RuleInput) -> int:
    return int(asked.serving_policy("metroMaxDwellMinutes") or 0) * MINUTE_US


def _entered_us(asked: RuleInput) -> int | None:
    claims = asked.question.claims
    return claims.entered_at.seconds * SECOND_US if claims.HasField("entered_at") else None


def _entry_claimed(asked: RuleInput) -> bool | None:
    """Whether the gate read an entry within the longest stay off the card, None where it read none."""
    entered_us, longest_us = _entered_us(asked), _longest_stay_us(asked)
    if entered_us is None:
        return None
    stay_us = asked.question.at_us - entered_us
    return stay_us >= -CLOCK_TOLERANCE_US and (not longest_us or stay_us <= longest_us)


def _entry_recorded(asked: RuleInput) -> OnRecord:
    question, entered_us, longest_us = asked.question, _entered_us(asked), _longest_stay_us(asked)
    known = asked.records.of(question.at_us + CLOCK_TOLERANCE_US, entries.KIND)
    if not question.claims.HasField("purse_counter"):
        return entries.entry_at(known, question.service_region, question.at_us, longest_us, entered_us)
    entry = entries.entry_before(known, question.claims.purse_counter, question.at_us)
    return UNKNOWN if entry is None else entries.says(entry, question.service_region, question.at_us, longest_us, entered_us)
