"""The commands `hub asof` about things other than a card: a person, the units of a concession."""

from typing import Any

from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import references_pb2

from hub.audit.replay.questions import answer
from hub.commands.asking import Operator
from hub.commands.asof_options import City, RecordedAsOf, Steps, ValidAt, times
from hub.commands.database import database
from hub.commands.ledgers import CardNo
from hub.commands.looking import CardNotNamed, Issuer, Purpose, keys_of, look_first
from hub.commands.options import Json
from hub.commands.outcomes import print_outcome
from hub.config import Config
from hub.domain.looks import Shown, card_by_key


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
