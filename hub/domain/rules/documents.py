"""The rule for documents and codes that a card carries: each has days of its own."""

from hub.domain.instants import local_day
from hub.domain.records.documents import says
from hub.domain.records.weighing import Reasons, Weighed, weigh
from hub.domain.rule_input import RuleInput
from hub.domain.rules.rule import LOSS, PAYMENT, rule


@rule(
    "A09",
    "出示的证照或码在有效期内",
    "The document or the code that is shown is in force",
    "*",
    unless=(LOSS, PAYMENT),
    sees=("question.medium", "claims.document_in_force", "record.DOCUMENTS"),
    where_named=True,
)
def a09_document_in_force(asked: RuleInput) -> Weighed | None:
    """A09, 残疾人证, 外国人工作许可证, 渝快码, 人才码: in force on the local day, whichever card of the holder carries it.

    The reason is the same for each cause, so that nobody learns whether there ever was such a document. The card itself is still good: it
    may be shown instead.
    """
    question = asked.question
    if not question.document:
        return None
    day = local_day(question.at_us).isoformat()
    recorded = says(asked.records, question.document, question.issuing_province, question.at_us, day)
    return weigh(asked.claimed("document_in_force"), recorded, Reasons("DOCUMENT_NOT_IN_FORCE"))
