"""The rules for public services (GOV.*, HR.*), payments (FND.PAY), and what is done about the card itself (CARD.*)."""

from collections.abc import Iterable, Iterator

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.card_facts import Fact
from hub.domain.instants import local_day
from hub.domain.records.payments import PAYMENT_ORDER, REPOINTED, SENT, given_up, last_word, rows_paid, rows_pending
from hub.domain.records.weighing import UNKNOWN, OnRecord, Reasons, Weighed, weigh
from hub.domain.rule_input import RuleInput
from hub.domain.rules.rule import LOSS, PAYMENT, rule
from hub.domain.succession import FOLLOWED


@rule(
    "A41",
    "代办须有授权",
    "Who acts for another proves it",
    "GOV.CASE",
    sees=("claims.acting_as", "claims.authority_proven", "record.FAMILY_LINKS"),
)
def a41_authority(asked: RuleInput) -> Weighed | None:
    """A41, GOV.CASE by an agent or guardian: a power of attorney, or a 亲情 link of the e-card; a link that was ended proves nothing."""
    claims = asked.question.claims
    if claims.acting_as not in (acceptance.ACTING_AS_AGENT, acceptance.ACTING_AS_GUARDIAN):
        return None
    # A power of attorney is on paper: what is recorded of relatives says nothing about it.
    record = _family_link(asked) if claims.acting_as == acceptance.ACTING_AS_GUARDIAN else UNKNOWN
    return weigh(claims.authority_proven or None, record, Reasons("PROOF_OF_AUTHORITY", silent="PROOF_OF_AUTHORITY"))


def _family_link(asked: RuleInput) -> OnRecord:
    """Whether who acts is linked as a relative; where the question does not say who acts, whether anybody is."""
    question, actor = asked.question, asked.question.refs.actor.key.hex()
    register = ("FAMILY_LINKS", question.issuing_province)
    told = [fact for fact in _links(asked.facts, question.at_us) if not actor or fact.detail["relative"] == actor]
    linked = asked.standing.ecard_relatives
    if not told:
        return asked.records.silence(question.at_us, register)
    return asked.records.says(register, question.at_us, told[-1].position, holds=bool(linked) if not actor else actor in linked)


def _links(facts: Iterable[Fact], at_us: int) -> Iterator[Fact]:
    """Yields what was reported of relatives, also of the e-cards before this one."""
    for fact in facts:
        if fact.kind == FOLLOWED:
            yield from _links((Fact(*inner) for inner in fact.detail["facts"]), at_us)
        elif fact.kind in ("ecard_family_linked", "ecard_family_unlinked") and fact.occurred_us <= at_us:
            yield fact


@rule("A51", "本周期首次认证", "Certified once in a cycle", "HR.CERT", sees=("claims.already_certified", "record.CERTIFICATIONS"))
def a51_certified_once(asked: RuleInput) -> Weighed:
    """A51, HR.CERT: once in a cycle; a repeat does no harm and is noted. A50, a sealed card in HR.*, is said by A02."""
    question, records = asked.question, asked.records
    cycle = question.refs.period or str(local_day(question.at_us).year)
    known = [fact for fact in records.of(question.at_us, "benefit_qualification_certified") if fact.detail["cycle"] == cycle]
    if known:
        record = records.says(("CERTIFICATIONS", known[0].detail["by"]), question.at_us, known[0].position, holds=False)
    else:
        record = records.silence(question.at_us, ("CERTIFICATIONS", "50"), ("CERTIFICATIONS", "51"), holds=True)
    return weigh(False if question.claims.already_certified else None, record, Reasons("ALREADY_CERTIFIED"))


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

# What banks give as the reason of a return, where it is about the account.
_RETURN_REASONS = {
    "NAME_MISMATCH": "ACCOUNT_NAME",
    "ACCOUNT_NOT_FOUND": "ACCOUNT_CLOSED",
    "ACCOUNT_NOT_ACTIVATED": "ACCOUNT_INACTIVE",
    "FROZEN_OR_STOPPED": "ACCOUNT_STOPPED",
    "CLOSED": "ACCOUNT_CLOSED",
    "DORMANT": "ACCOUNT_STOPPED",
}


@rule(
    "A60",
    "银行账户正常且户名相符",
    "The bank account is active and the name matches",
    PAYMENT,
    sees=("standing.bank_account_status", "claims.payee_name_matches", "record.PAYMENTS"),
)
def a60_account_active(asked: RuleInput) -> str | Weighed | None:
    """A60, FND.PAY: bank account active and the name matches; the account's province does not matter (reasons [K-h]).

    The account's own state comes from the issuer. Beside it counts what the bank said when it was paid to last, until the account changes.
    """
    account = asked.question.refs.account.key.hex()
    changes = asked.records.of(asked.question.at_us, REPOINTED)
    if account and (fact := given_up(changes, account)) is not None and (record := _heard(asked, fact)).says is False:
        return weigh(None, record, Reasons("ACCOUNT_REPOINTED"))
    returned, record = _returned(asked, account)
    # A payment that arrived says that the account is in the payee's name; one that came back for another reason says nothing of it.
    named = record if returned in ("", "ACCOUNT_NAME") else UNKNOWN
    name = weigh(asked.claimed("payee_name_matches"), named, Reasons("ACCOUNT_NAME"))
    state = None if name.reason_code else _ACCOUNT_REASONS.get(asked.standing.bank_account_status)
    if state or name.reason_code or not returned:
        return state or name
    return weigh(None, record, Reasons(returned))


def _returned(asked: RuleInput, account: str) -> tuple[str, OnRecord]:
    """Returns the reason for which a payment to the account came back last, "" where it arrived or nobody says, and what is on record.

    Nothing is where the account has changed since, or the reason says nothing of it.
    """
    question = asked.question
    last = last_word(asked.records.of(question.at_us, *PAYMENT_ORDER), account, question.issuing_province)
    reason = _RETURN_REASONS.get(last.detail.get("reason", ""), "") if last is not None else ""
    if last is None or (last.kind == "fund_row_returned" and not reason):
        return "", UNKNOWN
    changed = any(fact.kind.startswith("bank_account_") and last.occurred_us < fact.occurred_us <= question.at_us for fact in asked.facts)
    record = UNKNOWN if changed else _heard(asked, last, holds=not reason)
    return (reason, record) if record.says is False else ("", record)


def _heard(asked: RuleInput, fact: Fact, *, holds: bool = False) -> OnRecord:
    """Returns what a report of payments says, unknown while who keeps them is silent."""
    return asked.records.says(("PAYMENTS", fact.detail["by"]), asked.question.at_us, fact.position, holds=holds)


@rule("A61", "未重复发放", "Not paid before", PAYMENT, sees=("claims.already_paid", "record.PAYMENTS"))
def a61_not_paid_before(asked: RuleInput) -> Weighed:
    """A61, FND.PAY: a project's period is paid to one person once, by either province; what came back may be paid again.

    What was sent, by either province, and is not answered waits for the bank.
    """
    paid = weigh(False if asked.question.claims.already_paid else None, _unpaid(asked), Reasons("DUPLICATE"))
    pending = None if paid.reason_code else _pending(asked)
    return paid if pending is None else weigh(None, pending, Reasons("PAYMENT_PENDING"))


def _pending(asked: RuleInput) -> OnRecord | None:
    """Returns what is on record of a row of the project's period that the bank has not answered, None where there is none."""
    question = asked.question
    rows = rows_pending(asked.records.of(question.at_us, SENT, *PAYMENT_ORDER), question.refs.project_code, question.refs.period)
    said = (_heard(asked, row) for row in rows if question.refs.project_code and question.refs.period)
    return next((record for record in said if record.says is False), None)


def _unpaid(asked: RuleInput) -> OnRecord:
    """Whether the project's period was not paid to the holder yet; not known where the question does not name both."""
    question, records = asked.question, asked.records
    project, period = question.refs.project_code, question.refs.period
    if not (project and period):
        return UNKNOWN
    rows = rows_paid(records.of(question.at_us, *PAYMENT_ORDER), project, period)
    if not rows:
        return records.silence(question.at_us, ("PAYMENTS", "50"), ("PAYMENTS", "51"), holds=True)
    said = [_row_unpaid(asked, newest, is_paid) for newest, is_paid in rows]
    # A row that is paid for certain says no; else one of which that is not known, as its payer is silent, leaves it open.
    return min(said, key=lambda one: (one.says is not False, one.says is not None))


def _row_unpaid(asked: RuleInput, newest: Fact, is_paid: bool | None) -> OnRecord:
    if is_paid is None:
        return UNKNOWN
    return _heard(asked, newest, holds=not is_paid)


@rule("A70", "挂失人身份已核实", "Whoever reports a loss is known", LOSS, sees=("claims.auth_level",))
def a70_loss_reporter_known(asked: RuleInput) -> str | None:
    """A70, CARD.LOSS: identity verified at level 2 (PIN or ID) or more; never the card itself."""
    return None if asked.question.claims.auth_level >= acceptance.AUTH_LEVEL_PIN else "IDENTITY"


@rule(
    "A71",
    "跨省线上换卡须先挂失金融功能并告知卡号将变",
    "Online replacement across the border: bank loss first, and told of the new number",
    "CARD.REPL",
    cross_province_only=True,
    sees=("claims.is_online", "standing.bank_account_status", "claims.told_number_changes"),
)
def a71_online_replacement(asked: RuleInput) -> str | None:
    """A71, CARD.REPL online cross-province: the bank function is formally reported lost, the holder knows that the number will change."""
    if not asked.question.claims.is_online:
        return None
    if asked.standing.bank_account_status not in ("NONE", "FORMAL_LOSS", "CLOSED"):
        return "BANK_LOSS_FIRST"
    return None if asked.question.claims.told_number_changes else "NUMBER_WILL_CHANGE"


@rule("A72", "密码只由发卡省重置", "A PIN is reset by the issuing province only", "CARD.PIN", cross_province_only=True)
def a72_pin_at_issuer(_: RuleInput) -> str | None:
    """A72, CARD.PIN: issuing province only."""
    return "PIN_AT_ISSUER"
