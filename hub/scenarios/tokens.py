"""What e-cards showed in a scenario, where no answer is recorded: each token is used by the first question that accepts it."""

from hub.domain.acceptance import USES, Answer, Question
from hub.domain.records.known import Records
from hub.domain.records.weighing import OnRecord


class Tokens:
    """The tokens that were used so far in a run, each with the number of the question."""

    def __init__(self) -> None:
        """None is used yet."""
        self._used: dict[bytes, int] = {}

    def known(self, question: Question, records: Records) -> Records:
        """Returns the records with what is known of the question's token."""
        used = self._used.get(question.token)
        return records if used is None else records._replace(token=OnRecord(False, used))

    def note(self, question: Question, answer: Answer, number: int) -> Answer:
        """Notes that an answer uses its token, and returns it."""
        if question.token and answer.outcome in USES:
            self._used.setdefault(question.token, number)
        return answer
