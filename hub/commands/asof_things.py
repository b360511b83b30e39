"""The commands `hub asof` about things other than a card; by what card or number each is asked for, and the look where it is a person's."""

from typing import Annotated, Any

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import references_pb2

from hub.audit.replay.questions import answer
from hub.commands.asking import Operator
from hub.commands.asof_options import City, Day, Month, RecordedAsOf, Side, Steps, Until, ValidAt, days_of, times
from hub.commands.database import database
from hub.commands.ledgers import CardNo
from hub.commands.looking import CardNotNamed, Issuer, Purpose, keys_of, look_first
from hub.commands.options import Json
from hub.commands.outcomes import print_outcome
from hub.config import Config
from hub.domain.looks import Shown, card_by_key
from hub.intake.request_rules import refuse_invalid


def person(
    card: CardNo,
    issuer: Issuer = "",
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """某卡持卡人在两种时间下的全部记录；查看先入账。All of a card's holder as of both times; the look is recorded first."""
    question = asked.AuditQuestion(person=asked.PersonQuestion(**times(recorded_as_of, valid_at)))
    _ask_of_card(question, card, issuer, Shown.SHOWN_RECORD_PERSON, (purpose, operator), in_json=as_json, with_steps=steps)


def concession(
    card: CardNo,
    city: City,
    issuer: Issuer = "",
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """某卡持卡人的乘车优待次数，按两种时间；查看先入账。Units of a card's holder as of both times; the look is recorded first."""
    question = asked.AuditQuestion(concession=asked.ConcessionQuestion(region=city, **times(recorded_as_of, valid_at)))
    _ask_of_card(question, card, issuer, Shown.SHOWN_RECORD_UNITS, (purpose, operator), in_json=as_json, with_steps=steps)


def application(
    side: Side,
    number: Annotated[str, typer.Argument(help="办件编号。Number of the case.")],
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """一个办件在两种时间下：到哪一步、下一步由谁、何时到期。A case as of both times: how far, who acts next, by when."""
    question = asked.CaseQuestion(handling_province=side, case_no=number, **times(recorded_as_of, valid_at))
    _ask(asked.AuditQuestion(case=question), in_json=as_json, with_steps=steps)


def agreement(
    code: Annotated[str, typer.Argument(help="约定编号。Code of the agreement.")],
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """一项约定在两种时间下：各版条款、是否有效、待签。An agreement as of both times: versions, whether in force, what waits."""
    question = asked.AgreementQuestion(agreement_code=code, **times(recorded_as_of, valid_at))
    _ask(asked.AuditQuestion(agreement=question), in_json=as_json, with_steps=steps)


def count(
    month: Month = "",
    day: Day = "",
    until: Until = "",
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")] = "",
    region: Annotated[str, typer.Option(help="用卡地区，六位。Serving region, six digits.")] = "",
    scenario: Annotated[str, typer.Option(help="场景，如 TRA.MET。Scenario.")] = "",
    recorded_as_of: RecordedAsOf = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """业务日的用卡次数，按某时刻已入账的；逐日如何变来。Uses of business days as counted then, and how that came to be."""
    first, end = days_of(month, day, until)
    question = asked.CountQuestion(
        day=first, until=end, issuing_province=issuer, region=region, scenario=scenario, **times(recorded_as_of, "")
    )
    _ask(asked.AuditQuestion(count=question), in_json=as_json, with_steps=steps)


def item(
    side: Side,
    code: Annotated[str, typer.Argument(help="事项编号、基本编码或实施编码。Id, base code or implementing code.")],
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """一方如何办理一个事项，在两种时间下。How a side handles a service item as of both times."""
    question = asked.ServiceItemQuestion(item_code=code, province=side, **times(recorded_as_of, valid_at))
    _ask(asked.AuditQuestion(item=question), in_json=as_json, with_steps=steps)


def filing(
    side: Side,
    number: Annotated[str, typer.Argument(help="备案编号。Number of the filing.")],
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """参保方的一条备案在两种时间下。A filing of the insured side as of both times."""
    question = asked.FilingQuestion(insured_province=side, filing_no=number, **times(recorded_as_of, valid_at))
    _ask(asked.AuditQuestion(filing=question), in_json=as_json, with_steps=steps)


def settlement(
    settlement_id: Annotated[str, typer.Argument(help="结算或退费的 setl_id。setl_id of a settlement or a refund.")],
    institution: Annotated[str, typer.Option(help="医药机构编码 fixmedins_code。The institution's code.")] = "",
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """一次就诊的结算链在两种时间下，到分。The settlements of a visit with refunds as of both times, to the fen."""
    question = asked.SettlementQuestion(settlement_id=settlement_id, institution_code=institution, **times(recorded_as_of, valid_at))
    _ask(asked.AuditQuestion(settlement=question), in_json=as_json, with_steps=steps)


def loan(
    barcode: Annotated[str, typer.Argument(help="图书条码。Barcode of the item.")],
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    as_json: Json = False,
) -> None:
    """一册图书的借阅在两种时间下。The loans of an item as of both times."""
    question = asked.LoanQuestion(barcode=barcode, **times(recorded_as_of, valid_at))
    _ask(asked.AuditQuestion(loan=question), in_json=as_json, with_steps=steps)


def _ask(question: asked.AuditQuestion, *, in_json: bool, with_steps: bool) -> None:
    refuse_invalid(getattr(question, str(question.WhichOneof("asked"))))
    with database(Config()) as dsn:
        outcome = answer(dsn, question)
    print_outcome(outcome, in_json=in_json, with_timeline=with_steps)


def _ask_of_card(
    question: asked.AuditQuestion, card: str, issuer: str, shown: int, looker: tuple[str, str], *, in_json: bool, with_steps: bool
) -> None:
    """Answers a question about the holder of a card, once the look is recorded."""
    config = Config()
    with database(config) as dsn:
        keys = keys_of(config, dsn, card, issuer)
        if not keys:
            raise CardNotNamed
        about: Any = getattr(question, str(question.WhichOneof("asked")))
        about.card.CopyFrom(card_by_key(issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, keys[0]))
        look_first(dsn, keys, issuer, shown, *looker)
        outcome = answer(dsn, question)
    print_outcome(outcome, in_json=in_json, with_timeline=with_steps)
