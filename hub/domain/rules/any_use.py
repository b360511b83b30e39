"""The rules for every use of a card: is it known, usable, and covered by an agreement; its e-card, its chip, its holder; group services."""

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.instants import local_day
from hub.domain.records.weighing import UNKNOWN, OnRecord, Reasons, Weighed, weigh
from hub.domain.rule_input import CHIP_MEDIA, ECARD_MEDIA, PROVISIONAL_BLOCK, TOKEN_MEDIA, RuleInput
from hub.domain.rules.rule import LOSS, PAYMENT, rule


@rule("A01", "枢纽知道这张卡", "The card is known to the hub", "*", sees=("standing.social_status",))
def a01_card_known(asked: RuleInput) -> str | None:
    """A01: the card is known to the hub."""
    return "CARD_UNKNOWN" if asked.standing.social_status is None else None


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
def a02_social_function_active(asked: RuleInput) -> str | None:
    """A02, all but CARD.*: the social function is active; a re-authorised e-card passes a temporary loss, a payment all but the end."""
    standing = asked.standing
    status = standing.social_status
    if asked.question.scenario == PAYMENT:
        return "CANCELLED" if status == "CANCELLED" else None
    if status in (None, "ACTIVE"):
        return "CARD_EXPIRED" if standing.expires_on and _ends_with_expiry(asked) else None
    if status == "TEMP_LOST" and asked.question.medium in TOKEN_MEDIA and standing.ecard_status == "SIGNED":
        return None
    return _STATUS_REASONS.get(status or "", "CARD_NOT_ISSUED")


def _ends_with_expiry(asked: RuleInput) -> bool:
    """Whether the card has expired and its province lets the social function end with the bank function [S16]."""
    has_expired = asked.standing.expires_on < local_day(asked.question.at_us).isoformat()
    return has_expired and asked.issuing_policy("socialFunctionSurvivesExpiry") == "false"


@rule("A03", "没有待确认的挂失", "No provisional block stands", "*", unless=(LOSS, PAYMENT), sees=(PROVISIONAL_BLOCK,))
def a03_no_provisional_block(asked: RuleInput) -> str | None:
    """A03: no provisional block is in force at the instant."""
    return "PROVISIONAL_BLOCK" if asked.standing.block_until_us is not None else None


@rule(
    "A04",
    "两地约定覆盖此次用卡",
    "An agreement covers this use",
    "*",
    unless=("CARD.PIN",),
    cross_province_only=True,
    sees=("agreements", "question.medium", "question.venue_code"),
)
def a04_agreement_in_force(asked: RuleInput) -> str | None:
    """A04, all cross-province: an agreement covers scenario, direction, place and medium at the instant."""
    at_us = asked.question.at_us
    if not asked.in_force:
        if any(terms.spans(at_us) for terms in asked.about):
            return "AGREEMENT_SUSPENDED"
        has_ended = any(terms.to_us is not None and terms.to_us <= at_us for terms in asked.about)
        return "AGREEMENT_EXPIRED" if has_ended else "NO_AGREEMENT"
    return None if asked.covering() else "MEDIUM_NOT_COVERED"


@rule(
    "A05",
    "临时卡不出省、不过期",
    "A temporary card is good at home only, and for its time",
    "*",
    unless=(LOSS,),
    sees=("standing.card_kind", "standing.temporary_until_us", "issuer.tempCardCrossRegion"),
)
def a05_temporary_card(asked: RuleInput) -> str | None:
    """A05: a temporary card is good at home only, where its province lets it go no further, and for as many days as that province says."""
    if asked.standing.card_kind != "TEMPORARY":
        return None
    if asked.question.is_cross_province and asked.issuing_policy("tempCardCrossRegion") != "true":
        return "TEMP_CARD_LOCAL_ONLY"
    until_us = asked.standing.temporary_until_us
    return "TEMP_CARD_EXPIRED" if until_us is not None and asked.question.at_us >= until_us else None


_ECARD_REASONS = {"SUSPENDED": "ECARD_SUSPENDED", "UNAVAILABLE": "ECARD_UNAVAILABLE", "RELEASED": "ECARD_RELEASED"}
_TOKEN_REASONS = {
    acceptance.ECARD_TOKEN_EXPIRED: "ECARD_TOKEN_EXPIRED",
    acceptance.ECARD_TOKEN_USED: "ECARD_TOKEN_USED",
    acceptance.ECARD_TOKEN_SIGNATURE_INVALID: "ECARD_SIGNATURE_INVALID",
}


# Whether a token was not used yet, by what is claimed of it.
_UNUSED = {acceptance.ECARD_TOKEN_VALID: True, acceptance.ECARD_TOKEN_USED: False}


@rule(
    "A06",
    "电子社保卡已签发且码有效",
    "The e-card is signed and its token valid",
    "*",
    unless=(LOSS,),
    sees=("question.medium", "standing.ecard_status", "claims.ecard_token", "token.used"),
)
def a06_ecard_valid(asked: RuleInput) -> str | Weighed | None:
    """A06, e-card, QR and 渝快码: signed, token unexpired, unused, signature valid.

    A valid token proves a signing that was not reported to the hub; 渝快码 is shown with it, so that a signing need not be known. A token
    that an answer of the hub has used is used, whatever is claimed of it.
    """
    if asked.question.medium not in TOKEN_MEDIA:
        return None
    token, status = asked.question.claims.ecard_token, asked.standing.ecard_status
    if asked.records.token.says is False:
        return weigh(_UNUSED.get(token), asked.records.token, Reasons("ECARD_TOKEN_USED"), is_hubs_own=True)
    if token in _TOKEN_REASONS:
        return _TOKEN_REASONS[token]
    if status == "NOT_SIGNED":
        is_shown = token == acceptance.ECARD_TOKEN_VALID or asked.question.medium not in ECARD_MEDIA
        return None if is_shown else "ECARD_NOT_SIGNED"
    return _ECARD_REASONS.get(status)


@rule(
    "A07",
    "读卡器已验证芯片",
    "The reader authenticates the chip",
    "*",
    unless=(LOSS,),
    sees=("question.medium", "claims.chip_authenticated"),
)
def a07_chip_authentic(asked: RuleInput) -> str | None:
    """A07, physical chip: the reader has authenticated the card."""
    return "CARD_AUTH_FAIL" if asked.question.medium in CHIP_MEDIA and asked.denies("chip_authenticated") else None


@rule(
    "A08",
    "持卡人信息无须核实",
    "The holder's record needs no verification",
    "*",
    unless=("CARD.*",),
    sees=("standing.social_status", "standing.death_position"),
)
def a08_holder_verified(asked: RuleInput) -> str | None:
    """A08, all but CARD.*: no other province has reported the holder's death; what becomes of this card and its payments, its issuer says.

    The reason says no more than that the record has to be verified. A cancelled card needs no second reason (A02).
    """
    standing = asked.standing
    return "HOLDER_TO_VERIFY" if standing.death_position and standing.social_status != "CANCELLED" else None


# The purpose under which a holder consents to being decided about automatically, or withdraws that.
AUTOMATED = "AUTOMATED_DECISION"


@rule(
    "A80",
    "群体服务须有依据且未拒绝",
    "A group service has a basis and no opt-out",
    "*",
    sees=(
        "claims.group_service",
        "claims.group_basis",
        "claims.group_opted_out",
        "record.GROUPS",
        "record.CONSENTS",
        "issuer.consentedServices",
    ),
    where_named=True,
)
def a80_group_service(asked: RuleInput) -> Weighed | None:
    """A80, group services: a lawful basis for this service and no opt-out from automated decisions, else without the extra.

    An opt-out from either side wins. A service that the policy names needs the holder's own consent to it as well: nobody can claim that.
    The reason is the same for each cause, so that nobody learns from it who belongs to a group, or whose credit is how.
    """
    claims = asked.question.claims
    if not claims.group_service:
        return None
    withheld = Reasons("GROUP_EXTRA_WITHHELD", silent="GROUP_EXTRA_WITHHELD")
    consent = weigh(False if claims.group_opted_out else None, _consent(asked, AUTOMATED), Reasons("GROUP_EXTRA_WITHHELD"))
    if not consent.reason_code and (service := asked.question.refs.scheme) in asked.issuing_policy("consentedServices").split():
        consent = weigh(None, _consent(asked, service), withheld)
    return consent if consent.reason_code else weigh(claims.group_basis or None, _group_basis(asked), withheld)


def _consent(asked: RuleInput, purpose: str) -> OnRecord:
    """Whether the holder consents to a purpose by what was reported last, on the local day; UNKNOWN while nobody has said it."""
    question = asked.question
    told = asked.records.of(question.at_us, "consent_granted", "consent_withdrawn")
    own = [fact for fact in told if fact.detail["purpose"] == purpose]
    if not own:
        return UNKNOWN
    last, until = own[-1], own[-1].detail.get("to", "")
    is_over = bool(until) and until < local_day(question.at_us).isoformat()
    return OnRecord(last.kind == "consent_granted" and not is_over, last.position)


def _group_basis(asked: RuleInput) -> OnRecord:
    """Whether there is a basis for the service that is asked for, on the local day; one for another service is none."""
    question, records = asked.question, asked.records
    service, day = question.refs.scheme, local_day(question.at_us).isoformat()
    told = [fact for fact in records.of(question.at_us, "group_basis_registered") if service and service in fact.detail["services"]]
    register = ("GROUPS", question.issuing_province)
    if not told:
        return records.silence(question.at_us, register) if service else UNKNOWN
    now = [fact for fact in told if fact.detail["from"] <= day and (not fact.detail["to"] or day <= fact.detail["to"])]
    return records.says(register, question.at_us, (now or told)[-1].position, holds=bool(now))
