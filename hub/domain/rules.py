"""The acceptance rules A01 to A90 [D], one small function each; `hub.domain.acceptance` asks them.

A rule returns the code of a reason, or None. What a service point has checked itself comes as claims: a claim that is absent was not
said, and a rule speaks only if what was said, or what the hub knows, breaks it. Where the condition is the caller's to show (a filing,
an identity, a power of attorney), silence breaks it.

Precedence: all reasons are returned in the order of the rules, and the strictest gives the outcome. Overrides, all of them here:

- Of a card that the hub does not know (A01), nothing is said that only its lives could tell; the hub's own block (A03) holds for it too.
- A book is always taken back (A32): no other rule is asked for CUL.LIB.RET.
- A loss report never needs the card (A70): for CARD.LOSS neither its block (A03), kind (A05), e-card (A06) nor chip (A07) is asked about.
- Money goes to the account, whose own life decides (A60): for FND.PAY neither the plastic's loss (A02) nor its block (A03) is looked at; a
  cancellation, as by the holder's death, stops it (A02); a death told of another card has its issuer asked first (A08).
- A PIN is the issuer's business (A72): CARD.PIN is not asked about agreements, it is referred.
- An e-card that its holder has authorised again passes a temporary loss (A02) [S14][S15].
- A ride with an elder's concession rests on the agreement about the ride; the concession is A22's and A23's.
"""

from collections.abc import Callable, Iterable

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.agreement import Terms
from hub.domain.case import PROVISIONAL_BLOCK, Ask, Case, Rule, local_day

ECARD_MEDIA = frozenset({acceptance.MEDIUM_ECARD_QR, acceptance.MEDIUM_ECARD_SHOW, acceptance.MEDIUM_ECARD_LOGIN})
# 渝快码 carries the e-card's token.
TOKEN_MEDIA = ECARD_MEDIA | {acceptance.MEDIUM_YUKUAI_CODE}
CHIP_MEDIA = frozenset({acceptance.MEDIUM_CONTACT, acceptance.MEDIUM_CONTACTLESS})
RIDES = ("TRA.BUS", "TRA.MET")
# Gates and servers disagree about the time: so far an exit may seem to lie before its entry [D].
CLOCK_TOLERANCE_US = 15 * 60_000_000
OFFLINE_MODES = {"TRA": "DEVICE_HOTLIST", "CUL": "CACHED_STATUS_24H", "MED": "FAIL_CLOSED", "FND": "FAIL_CLOSED", "GOV.CASE": "FAIL_CLOSED"}

_RETURN = "CUL.LIB.RET"
_LOSS = "CARD.LOSS"
_PAYMENT = "FND.PAY"
_rules: list[Rule] = []


def rule(
    rule_id: str,
    title_zh: str,
    title_en: str,
    *scenarios: str,
    unless: tuple[str, ...] = (),
    cross_province_only: bool = False,
    sees: tuple[str, ...] = (),
) -> Callable[[Ask], Ask]:
    """Registers a rule; *sees* names what it looks at, as paths such as standing.social_status or claims.filing_valid."""

    def register(ask: Ask) -> Ask:
        _rules.append(Rule(rule_id, title_zh, title_en, ask, scenarios, (*unless, _RETURN), cross_province_only, sees))
        return ask

    return register


@rule("A01", "枢纽知道这张卡", "The card is known to the hub", "*", sees=("standing.social_status",))
def a01_card_known(case: Case) -> str | None:
    """A01: the card is known to the hub."""
    return "CARD_UNKNOWN" if case.standing.social_status is None else None


_STATUS_REASONS = {
    "SEALED": "CARD_SEALED",
    "TEMP_LOST": "LOST_TEMP",
    "FORMALLY_LOST": "LOST_FORMAL",
    "APP_LOCKED": "LOCKED",
    "CANCELLED": "CANCELLED",
}


@rule(
    "A02",
    "社保功能正常",
    "The social function is active",
    "*",
    unless=("CARD.*",),
    sees=(
        "standing.social_status",
        "standing.social_status_until_us",
        "standing.ecard_status",
        "standing.expires_on",
        "issuer.socialFunctionSurvivesExpiry",
        "question.medium",
    ),
)
def a02_social_function_active(case: Case) -> str | None:
    """A02, all but CARD.*: the social function is active; a re-authorised e-card passes a temporary loss, a payment all but the end."""
    standing = case.standing
    status = standing.social_status
    if case.question.scenario == _PAYMENT:
        return "CANCELLED" if status == "CANCELLED" else None
    if status in (None, "ACTIVE"):
        return "CARD_EXPIRED" if standing.expires_on and _ends_with_expiry(case) else None
    if status == "TEMP_LOST" and case.question.medium in TOKEN_MEDIA and standing.ecard_status == "SIGNED":
        return None
    return _STATUS_REASONS.get(status or "", "CARD_NOT_ISSUED")


def _ends_with_expiry(case: Case) -> bool:
    """Whether the card has expired and its province lets the social function end with the bank function [S16]."""
    has_expired = case.standing.expires_on < local_day(case.question.at_us).isoformat()
    return has_expired and case.issuing_policy("socialFunctionSurvivesExpiry") == "false"


@rule("A03", "没有待确认的挂失", "No provisional block stands", "*", unless=(_LOSS, _PAYMENT), sees=(PROVISIONAL_BLOCK,))
def a03_no_provisional_block(case: Case) -> str | None:
    """A03: no provisional block stands at the instant."""
    return "PROVISIONAL_BLOCK" if case.standing.block_until_us is not None else None


@rule(
    "A04",
    "两地约定覆盖此次用卡",
    "An agreement covers this use",
    "*",
    unless=("CARD.PIN",),
    cross_province_only=True,
    sees=("agreements", "question.medium", "question.venue_code"),
)
def a04_agreement_in_force(case: Case) -> str | None:
    """A04, all cross-province: an agreement covers scenario, direction, place and medium at the instant."""
    at_us = case.question.at_us
    if not case.in_force:
        if any(terms.spans(at_us) for terms in case.about):
            return "AGREEMENT_SUSPENDED"
        has_ended = any(terms.to_us is not None and terms.to_us <= at_us for terms in case.about)
        return "AGREEMENT_EXPIRED" if has_ended else "NO_AGREEMENT"
    return None if covering(case.in_force, case.question.medium) else "MEDIUM_NOT_COVERED"


@rule(
    "A05",
    "临时卡不出省、不过期",
    "A temporary card is good at home only, and for its time",
    "*",
    unless=(_LOSS,),
    sees=("standing.card_kind", "standing.temporary_until_us", "issuer.tempCardCrossRegion"),
)
def a05_temporary_card(case: Case) -> str | None:
    """A05: a temporary card is good at home only, where its province lets it go no further, and for as many days as that province says."""
    if case.standing.card_kind != "TEMPORARY":
        return None
    if case.question.is_cross_province and case.issuing_policy("tempCardCrossRegion") != "true":
        return "TEMP_CARD_LOCAL_ONLY"
    until_us = case.standing.temporary_until_us
    return "TEMP_CARD_EXPIRED" if until_us is not None and case.question.at_us >= until_us else None


_ECARD_REASONS = {"SUSPENDED": "ECARD_SUSPENDED", "UNAVAILABLE": "ECARD_UNAVAILABLE", "RELEASED": "ECARD_RELEASED"}
_TOKEN_REASONS = {
    acceptance.ECARD_TOKEN_EXPIRED: "ECARD_TOKEN_EXPIRED",
    acceptance.ECARD_TOKEN_USED: "ECARD_TOKEN_USED",
    acceptance.ECARD_TOKEN_SIGNATURE_INVALID: "ECARD_SIGNATURE_INVALID",
}


@rule(
    "A06",
    "电子社保卡已签发且码有效",
    "The e-card is signed and its token valid",
    "*",
    unless=(_LOSS,),
    sees=("question.medium", "standing.ecard_status", "claims.ecard_token"),
)
def a06_ecard_valid(case: Case) -> str | None:
    """A06, e-card, QR and 渝快码: signed, token unexpired, unused, signature valid.

    A valid token proves a signing that the hub was not told of; 渝快码 is shown with it, so that a signing need not be known.
    """
    if case.question.medium not in TOKEN_MEDIA:
        return None
    token, status = case.question.claims.ecard_token, case.standing.ecard_status
    if token in _TOKEN_REASONS:
        return _TOKEN_REASONS[token]
    if status == "NOT_SIGNED":
        is_shown = token == acceptance.ECARD_TOKEN_VALID or case.question.medium not in ECARD_MEDIA
        return None if is_shown else "ECARD_NOT_SIGNED"
    return _ECARD_REASONS.get(status)


@rule(
    "A07",
    "读卡器已验证芯片",
    "The reader authenticates the chip",
    "*",
    unless=(_LOSS,),
    sees=("question.medium", "claims.chip_authenticated"),
)
def a07_chip_authentic(case: Case) -> str | None:
    """A07, physical chip: the reader has authenticated the card."""
    return "CARD_AUTH_FAIL" if case.question.medium in CHIP_MEDIA and case.denies("chip_authenticated") else None


@rule(
    "A08",
    "持卡人信息无须核实",
    "The holder's record needs no verification",
    "*",
    unless=("CARD.*",),
    sees=("standing.social_status", "standing.death_position"),
)
def a08_holder_verified(case: Case) -> str | None:
    """A08, all but CARD.*: no other province has told the holder's death; what becomes of this card, a payment too, is its issuer's to say.

    The reason says no more than that the record has to be verified. A cancelled card needs no second reason (A02).
    """
    standing = case.standing
    return "HOLDER_TO_VERIFY" if standing.death_position and standing.social_status != "CANCELLED" else None


@rule("A10", "参保状态正常", "The insured status is normal", "MED.*", sees=("claims.insured",))
def a10_insured(case: Case) -> str | None:
    """A10, MED.*: the insured status at the insured place is normal."""
    return "NOT_INSURED" if case.denies("insured") else None


@rule(
    "A11",
    "异地就医已备案或急诊",
    "A filing covers the stay, or it is an emergency",
    "MED.IP",
    "MED.CHR",
    cross_province_only=True,
    sees=("claims.filing_valid", "claims.emergency"),
)
def a11_filed(case: Case) -> str | None:
    """A11, MED.IP and MED.CHR cross-province: a filing covers date and region, or it is an emergency."""
    claims = case.question.claims
    return None if claims.filing_valid or claims.emergency else "FILE_NOW"


@rule(
    "A12",
    "机构已开通跨省个人账户支付",
    "The institution is opened for cross-province personal accounts",
    "MED.OP",
    "MED.RX",
    cross_province_only=True,
    sees=("claims.institution_open",),
)
def a12_institution_open(case: Case) -> str | None:
    """A12, MED.OP and MED.RX cross-province: the institution is opened for it; paying from the personal account needs no filing."""
    return "INSTITUTION_NOT_OPEN" if case.denies("institution_open") else None


@rule("A13", "机构当日为定点", "The institution is contracted on the day", "MED.*", sees=("claims.institution_contracted",))
def a13_institution_contracted(case: Case) -> str | None:
    """A13, MED.*: the institution is contracted for this kind of treatment on the day."""
    return "INSTITUTION_NOT_CONTRACTED" if case.denies("institution_contracted") else None


@rule(
    "A14",
    "超过免密额度须验密码",
    "A PIN above the local threshold",
    "MED.*",
    sees=("question.medium", "claims.amount_fen", "claims.auth_level", "policy.medicalPinFromFen"),
)
def a14_medical_pin(case: Case) -> str | None:
    """A14, MED.* with the plastic card: a PIN from the local amount on."""
    claims = case.question.claims
    if case.question.medium not in CHIP_MEDIA or claims.auth_level >= acceptance.AUTH_LEVEL_PIN or not claims.HasField("amount_fen"):
        return None
    threshold = case.serving_policy("medicalPinFromFen")
    return "PIN" if threshold and claims.amount_fen >= int(threshold) else None


@rule(
    "A20",
    "卡带有已启用的交通应用",
    "The card carries an active transit application",
    *RIDES,
    "TRA.ELD",
    sees=("question.medium", "standing.generation", "standing.transit_purse_status"),
)
def a20_transit_application(case: Case) -> str | None:
    """A20, rides by contactless chip: third generation, transit purse active; one on the hotlist is A21's."""
    if case.question.medium != acceptance.MEDIUM_CONTACTLESS:
        return None
    standing = case.standing
    return None if standing.generation == "THIRD" and standing.transit_purse_status in ("ACTIVE", "HOTLISTED") else "NO_TRANSIT_APP"


@rule(
    "A21",
    "余额足且不在黑名单",
    "Balance suffices, and not on the hotlist",
    "TRA.*",
    sees=("standing.transit_purse_status", "claims.on_device_hotlist", "claims.purse_balance_fen", "claims.least_fare_fen"),
)
def a21_balance_and_hotlist(case: Case) -> str | None:
    """A21, TRA.*: not on the hotlist the device holds, nor on the issuer's; the purse has the least fare."""
    claims = case.question.claims
    if claims.on_device_hotlist or case.standing.transit_purse_status == "HOTLISTED":
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
        "standing.concession_binding",
        "question.medium",
        "claims.resides_in_service_city",
        "claims.concession_bound",
        "claims.concession_units_left",
    ),
)
def a22_elder_conditions(case: Case) -> str | None:
    """A22, TRA.ELD: age by the serving city's local midnight, residence, concession bound to this medium, units left."""
    threshold, age = case.serving_policy("elderTransitAgeYears"), case.age()
    if not threshold:
        return "ELDER_NO_SCHEME"
    if age is None:
        return "AGE_UNKNOWN"
    if age < int(threshold):
        return "ELDER_AGE"
    if case.denies("resides_in_service_city"):
        return "ELDER_RESIDENCE"
    if case.denies("concession_bound") or _is_bound_elsewhere(case):
        return "ELDER_NOT_BOUND"
    return "ELDER_NO_UNITS" if case.denies("concession_units_left") else None


# Which binding each medium carries; an elder's own card is none of them.
_BINDINGS: dict[int, str] = {
    acceptance.MEDIUM_CONTACT: "SOCIAL_CARD",
    acceptance.MEDIUM_CONTACTLESS: "SOCIAL_CARD",
    acceptance.MEDIUM_YUKUAI_CODE: "YUKUAI_CODE",
}


def _is_bound_elsewhere(case: Case) -> bool:
    """Whether the card's own province bound its concession to another medium; the record wins over the claim. Abroad it says nothing."""
    binding = case.standing.concession_binding
    return binding != "NONE" and not case.question.is_cross_province and _BINDINGS.get(case.question.medium) != binding


@rule(
    "A23",
    "约定互惠优待",
    "The agreement makes concessions mutual",
    "TRA.ELD",
    cross_province_only=True,
    sees=("agreements", "question.medium"),
)
def a23_mutual_concession(case: Case) -> str | None:
    """A23, TRA.ELD cross-province: an agreement that covers this medium makes concessions mutual; so far there is none."""
    covers = covering(case.in_force, case.question.medium)
    return None if any(terms.concession == "MUTUAL" for terms in covers) else "CONCESSION_NOT_MUTUAL"


@rule(
    "A24",
    "出站有时限内的进站记录",
    "An exit has its entry within the longest stay",
    "TRA.MET",
    sees=("claims.is_exit", "claims.entered_at", "policy.metroMaxDwellMinutes"),
)
def a24_entry_matches(case: Case) -> str | None:
    """A24, TRA.MET exit: an entry within the longest stay, or the incomplete journey's fare."""
    claims = case.question.claims
    if not claims.is_exit:
        return None
    longest = case.serving_policy("metroMaxDwellMinutes")
    stay_us = case.question.at_us - claims.entered_at.seconds * 1_000_000
    if claims.HasField("entered_at") and stay_us >= -CLOCK_TOLERANCE_US and (not longest or stay_us <= int(longest) * 60_000_000):
        return None
    return "INCOMPLETE_JOURNEY"


@rule(
    "A31",
    "读者已注册且无欠还",
    "Registered, and no overdue loan or limit",
    "CUL.LIB.BRW",
    sees=("claims.reader_blocked", "claims.reader_registered"),
)
def a31_reader_may_borrow(case: Case) -> str | None:
    """A30 and A31, CUL.LIB.BRW: registered with any member (place and medium are A04's), no block in either network."""
    if case.question.claims.reader_blocked:
        return "READER_BLOCKED"
    return "REGISTER_READER" if case.denies("reader_registered") else None


@rule(
    "A33",
    "有票或免票，优待须出示证件",
    "A ticket or a free category, and the concession's document",
    "TOU.GATE",
    sees=("claims.ticket_held", "claims.concession_document"),
)
def a33_gate(case: Case) -> str | None:
    """A33, TOU.GATE: ticket or free category (the venue is A04's); a concession by its document."""
    if case.denies("ticket_held"):
        return "TICKET_NEEDED"
    return "CONCESSION_DOCUMENT_MISSING" if case.denies("concession_document") else None


@rule(
    "A34",
    "公安终端认可且人像相符",
    "The police terminal takes it and the photo matches",
    "TOU.HTL",
    sees=("claims.police_terminal_matched",),
)
def a34_hotel(case: Case) -> str | None:
    """A34, TOU.HTL: the police terminal takes the credential and the photo matches."""
    return None if case.question.claims.police_terminal_matched else "ID_CARD"


@rule(
    "A40",
    "事项在通办目录内且认证等级足够",
    "The item is shared, through this channel, at this level",
    "GOV.*",
    sees=("claims.item_shared", "claims.channel_allowed", "claims.item_auth_level", "claims.auth_level"),
)
def a40_item(case: Case) -> str | None:
    """A40, GOV.*: the item is in the catalogue of the day, this channel is open to it, and the person is known surely enough."""
    claims = case.question.claims
    if case.denies("item_shared"):
        return "ITEM_NOT_SHARED"
    if case.denies("channel_allowed"):
        return "OTHER_CHANNEL"
    return "AUTH_LEVEL" if claims.auth_level < claims.item_auth_level else None


@rule("A41", "代办须有授权", "Who acts for another proves it", "GOV.CASE", sees=("claims.acting_as", "claims.authority_proven"))
def a41_authority(case: Case) -> str | None:
    """A41, GOV.CASE by an agent or guardian: a power of attorney or a 亲情 link."""
    claims = case.question.claims
    acts_for_another = claims.acting_as in (acceptance.ACTING_AS_AGENT, acceptance.ACTING_AS_GUARDIAN)
    return "PROOF_OF_AUTHORITY" if acts_for_another and not claims.authority_proven else None


@rule("A51", "本周期首次认证", "Certified once in a cycle", "HR.CERT", sees=("claims.already_certified",))
def a51_certified_once(case: Case) -> str | None:
    """A51, HR.CERT: once in a cycle; a repeat does no harm and is noted. A50, a sealed card in HR.*, is said by A02."""
    return "ALREADY_CERTIFIED" if case.question.claims.already_certified else None


_ACCOUNT_REASONS = {
    "NONE": "ACCOUNT_UNKNOWN",
    "OPENED_INACTIVE": "ACCOUNT_INACTIVE",
    "ORAL_LOSS": "ACCOUNT_LOST",
    "FORMAL_LOSS": "ACCOUNT_LOST",
    "FROZEN": "ACCOUNT_STOPPED",
    "STOPPED": "ACCOUNT_STOPPED",
    "EXPIRED": "ACCOUNT_EXPIRED",
    "CLOSED": "ACCOUNT_CLOSED",
}


@rule(
    "A60",
    "银行账户正常且户名相符",
    "The bank account is active and the name matches",
    "FND.PAY",
    sees=("standing.bank_account_status", "claims.payee_name_matches"),
)
def a60_account_active(case: Case) -> str | None:
    """A60, FND.PAY: bank account active and the name matches; the account's province does not matter (reasons [K-h])."""
    if case.denies("payee_name_matches"):
        return "ACCOUNT_NAME"
    return _ACCOUNT_REASONS.get(case.standing.bank_account_status)


@rule("A61", "未重复发放", "Not paid before", "FND.PAY", sees=("claims.already_paid",))
def a61_not_paid_before(case: Case) -> str | None:
    """A61, FND.PAY: one person, project, period and row."""
    return "DUPLICATE" if case.question.claims.already_paid else None


@rule("A70", "挂失人身份已核实", "Whoever reports a loss is known", _LOSS, sees=("claims.auth_level",))
def a70_loss_reporter_known(case: Case) -> str | None:
    """A70, CARD.LOSS: identity verified at level 2 (PIN or ID) or more; never the card itself."""
    return None if case.question.claims.auth_level >= acceptance.AUTH_LEVEL_PIN else "IDENTITY"


@rule(
    "A71",
    "跨省线上换卡须先挂失金融功能并告知卡号将变",
    "Online replacement across the border: bank loss first, and told of the new number",
    "CARD.REPL",
    cross_province_only=True,
    sees=("claims.is_online", "standing.bank_account_status", "claims.told_number_changes"),
)
def a71_online_replacement(case: Case) -> str | None:
    """A71, CARD.REPL online cross-province: the bank function is formally reported lost, the holder was told the number will change."""
    if not case.question.claims.is_online:
        return None
    if case.standing.bank_account_status not in ("NONE", "FORMAL_LOSS", "CLOSED"):
        return "BANK_LOSS_FIRST"
    return None if case.question.claims.told_number_changes else "NUMBER_WILL_CHANGE"


@rule("A72", "密码只由发卡省重置", "A PIN is reset by the issuing province only", "CARD.PIN", cross_province_only=True)
def a72_pin_at_issuer(_: Case) -> str | None:
    """A72, CARD.PIN: issuing province only."""
    return "PIN_AT_ISSUER"


@rule(
    "A80",
    "群体服务须有依据且未拒绝",
    "A group service has a basis and no opt-out",
    "*",
    sees=("claims.group_service", "claims.group_basis", "claims.group_opted_out"),
)
def a80_group_service(case: Case) -> str | None:
    """A80, group services: a lawful basis for the label and no opt-out from automated decisions, else without the extra."""
    claims = case.question.claims
    return "GROUP_EXTRA_WITHHELD" if claims.group_service and (not claims.group_basis or claims.group_opted_out) else None


def a32_always_taken_back(_: Case) -> str | None:
    """A32, CUL.LIB.RET: a book is always taken back, even if the card is lost or the agreement has lapsed."""
    return "RETURN_ALWAYS_ACCEPTED"


_rules.append(Rule("A32", "还书一律受理", "A book is always taken back", a32_always_taken_back, (_RETURN,), (), False, ()))
RULES: tuple[Rule, ...] = tuple(sorted(_rules, key=lambda rule: rule.rule_id))


def covering(agreements: Iterable[Terms], medium: int) -> list[Terms]:
    """Returns the agreements that cover a medium."""
    return [terms for terms in agreements if not terms.media or medium in terms.media]


def agreed_as(scenario: str) -> tuple[str, ...]:
    """Names the scenarios whose agreements carry this one: an elder's ride is a ride."""
    return (scenario, *RIDES) if scenario == "TRA.ELD" else (scenario,)


def offline_mode(scenario: str) -> str:
    """A90: what a service point does while it cannot reach the hub: DEVICE_HOTLIST, CACHED_STATUS_24H or FAIL_CLOSED, also the default."""
    return OFFLINE_MODES.get(scenario) or OFFLINE_MODES.get(scenario.partition(".")[0], "FAIL_CLOSED")
