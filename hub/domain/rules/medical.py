"""The rules for treatment and medicine (MED.*)."""

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.domain.instants import local_day
from hub.domain.medical.filings import FILING_KINDS, filings_on_record
from hub.domain.medical.institutions import CONTRACTED, CROSS_PROVINCE, OPENED, VISIT_TYPES, last_word
from hub.domain.records.weighing import UNKNOWN, OnRecord, Reasons, Weighed, weigh
from hub.domain.rule_input import CHIP_MEDIA, RuleInput
from hub.domain.rules.rule import rule


@rule("A10", "参保状态正常", "The insured status is normal", "MED.*", sees=("claims.insured", "standing.insured_region"))
def a10_insured(asked: RuleInput) -> Weighed:
    """A10, MED.*: the insured status at the insured place is normal. Who has moved to another province is insured there."""
    claim, standing = asked.claimed("insured"), asked.standing
    is_elsewhere = standing.insured_region[:2] not in ("", asked.question.issuing_province)
    record = OnRecord(False, standing.region_position) if is_elsewhere else UNKNOWN
    return weigh(claim, record, Reasons("NOT_INSURED" if claim is False else "INSURED_PLACE_MOVED", claimed_no="NOT_INSURED"))


_FILED = Reasons("FILE_NOW", silent="FILE_NOW", unverified="FILING_UNVERIFIED")


@rule(
    "A11",
    "异地就医已备案或急诊",
    "A filing covers the stay, or it is an emergency",
    "MED.IP",
    "MED.CHR",
    cross_province_only=True,
    sees=("claims.filing_valid", "claims.emergency", "record.FILINGS"),
)
def a11_filed(asked: RuleInput) -> Weighed | None:
    """A11, MED.IP and MED.CHR cross-province: a filing covers date and region, or it is an emergency."""
    claims = asked.question.claims
    return None if claims.emergency else weigh(claims.filing_valid or None, _filing(asked), _FILED)


def _filing(asked: RuleInput) -> OnRecord:
    """Whether a filing of the holder covers the place; one that is over, or for another place, says that none does.

    Where none is known only the register of the issuing side says so: who is insured on the other side needs none there.
    """
    question, records = asked.question, asked.records
    known = [one for one in filings_on_record(records.of(question.at_us, *sorted(FILING_KINDS)), question.at_us) if one.said is not None]
    if question.refs.filing_no:
        known = [one for one in known if one.filing_no == question.refs.filing_no] or known
    covering = [one for one in known if one.covers(question.service_region, asked.reference)]
    for one in reversed(covering or known):
        position = (one.ended or one.reports[-1]).position
        return records.says(("FILINGS", one.province), question.at_us, position, holds=bool(covering))
    return records.silence(question.at_us, ("FILINGS", question.issuing_province))


@rule(
    "A12",
    "机构已开通跨省个人账户支付",
    "The institution is opened for cross-province personal accounts",
    "MED.OP",
    "MED.RX",
    cross_province_only=True,
    sees=("claims.institution_open", "institution.register"),
)
def a12_institution_open(asked: RuleInput) -> Weighed:
    """A12, MED.OP and MED.RX cross-province: the institution is opened for it; paying from the personal account needs no filing."""
    return weigh(asked.claimed("institution_open"), _institution(asked, CROSS_PROVINCE), Reasons("INSTITUTION_NOT_OPEN"))


@rule(
    "A13",
    "机构当日为定点",
    "The institution is contracted on the day",
    "MED.*",
    sees=("claims.institution_contracted", "institution.register"),
)
def a13_institution_contracted(asked: RuleInput) -> Weighed:
    """A13, MED.*: the institution is contracted for this kind of treatment on the day."""
    return weigh(asked.claimed("institution_contracted"), _institution(asked, CONTRACTED), Reasons("INSTITUTION_NOT_CONTRACTED"))


def _institution(asked: RuleInput, service: int) -> OnRecord:
    """Whether the institution is open for a service and this kind of treatment, by the register of the province where it is."""
    question, records = asked.question, asked.records
    register = ("INSTITUTIONS", question.service_region[:2])
    if not question.institution:
        return UNKNOWN
    visit_type = medical.MEDICAL_VISIT_TYPE_EMERGENCY if question.claims.emergency else VISIT_TYPES[question.scenario]
    told = [one for one in records.institution if one.province == register[1] and one.occurred_us <= question.at_us]
    last = last_word(told, service, visit_type, local_day(question.at_us))
    if last is None:
        return records.silence(question.at_us, register)
    return records.says(register, question.at_us, last.position, holds=last.kind == OPENED)


@rule(
    "A14",
    "超过免密额度须验密码",
    "A PIN above the local threshold",
    "MED.*",
    sees=("question.medium", "claims.amount_fen", "claims.auth_level", "policy.medicalPinFromFen", "standing.pin_status"),
)
def a14_medical_pin(asked: RuleInput) -> str | Weighed | None:
    """A14, MED.* with the plastic card: a PIN from the local amount on. One that is locked on record was not typed well."""
    claims = asked.question.claims
    threshold = asked.serving_policy("medicalPinFromFen")
    if asked.question.medium not in CHIP_MEDIA or not claims.HasField("amount_fen"):
        return None
    if not threshold or claims.amount_fen < int(threshold) or claims.auth_level > acceptance.AUTH_LEVEL_PIN:
        return None
    record = OnRecord(False, asked.standing.pin_position) if asked.standing.pin_status == "LOCKED" else UNKNOWN
    return weigh(claims.auth_level == acceptance.AUTH_LEVEL_PIN or None, record, Reasons("PIN", silent="PIN"))
