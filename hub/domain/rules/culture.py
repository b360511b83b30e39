"""The rules for libraries (CUL.*) and tourism (TOU.*)."""

from hub.domain.culture.loans import READER_REGISTERED, Reader, reader_at
from hub.domain.records.weighing import OnRecord, Reasons, Weighed, weigh
from hub.domain.rule_input import BORROWING, RuleInput
from hub.domain.rules.rule import BOOK_RETURN, Rule, rule


@rule(
    "A31",
    "读者已注册且无欠还",
    "Registered, and no overdue loan or limit",
    BORROWING,
    sees=("claims.reader_blocked", "claims.reader_registered", "record.READERS"),
)
def a31_reader_may_borrow(asked: RuleInput) -> str | Weighed | None:
    """A30 and A31, CUL.LIB.BRW: registered with any member (place and medium are A04's), nothing overdue or unpaid in either network."""
    library, at_us = asked.records.library, asked.question.at_us
    registered = [one for one in library.reports if one.kind == READER_REGISTERED]
    items = [one for one in library.reports if one.kind != READER_REGISTERED]
    reader = reader_at(registered, items, library.reader, at_us)
    stopped = weigh(False if asked.question.claims.reader_blocked else None, _nothing_owed(asked, reader), Reasons("READER_BLOCKED"))
    if stopped.reason_code:
        return stopped
    known = weigh(asked.claimed("reader_registered"), _registered(asked, reader), Reasons("REGISTER_READER"))
    return known if known.basis else stopped


def _nothing_owed(asked: RuleInput, reader: Reader) -> OnRecord:
    """Whether every item is back or paid for; that none is known says something only where both sides report all of their loans."""
    records, at_us = asked.records, asked.question.at_us
    owed = [loan.lent for loan in (*reader.overdue, *reader.unpaid) if loan.lent is not None]
    said = [records.says(("READERS", lent.province), at_us, lent.position, holds=False) for lent in owed]
    if heard := [one for one in said if one.says is False]:
        return heard[0]
    return records.silence(at_us, *_BOTH_SIDES, holds=True)


def _registered(asked: RuleInput, reader: Reader) -> OnRecord:
    """Whether any library of either side has the person as a reader."""
    records, at_us = asked.records, asked.question.at_us
    if reader.registrations:
        return records.says(("READERS", reader.registrations[0].province), at_us, reader.registrations[0].position, holds=True)
    return records.silence(at_us, *_BOTH_SIDES)


_BOTH_SIDES = (("READERS", "50"), ("READERS", "51"))


def _always_taken_back(_: RuleInput) -> str | None:
    """A32, CUL.LIB.RET: a book is always taken back, even if the card is lost or the agreement has lapsed."""
    return "RETURN_ALWAYS_ACCEPTED"


# Asked for a return, where no other rule is.
a32_always_taken_back = Rule("A32", "还书一律受理", "A book is always taken back", _always_taken_back, (BOOK_RETURN,), (), False, ())


@rule(
    "A33",
    "有票或免票，优待须出示证件",
    "A ticket or a free category, and the concession's document",
    "TOU.GATE",
    sees=("claims.ticket_held", "claims.concession_document"),
)
def a33_gate(asked: RuleInput) -> str | None:
    """A33, TOU.GATE: ticket or free category (the venue is A04's); a concession by its document."""
    if asked.denies("ticket_held"):
        return "TICKET_NEEDED"
    return "CONCESSION_DOCUMENT_MISSING" if asked.denies("concession_document") else None


@rule(
    "A34",
    "公安终端认可且人像相符",
    "The police terminal takes it and the photo matches",
    "TOU.HTL",
    sees=("claims.police_terminal_matched",),
)
def a34_hotel(asked: RuleInput) -> str | None:
    """A34, TOU.HTL: the police terminal takes the credential and the photo matches."""
    return None if asked.question.claims.police_terminal_matched else "ID_CARD"
