"""The rules for libraries (CUL.*) and tourism (TOU.*)."""

from hub.domain.rule_input import RuleInput
from hub.domain.rules.rule import BOOK_RETURN, Rule, rule


@rule(
    "A31",
    "读者已注册且无欠还",
    "Registered, and no overdue loan or limit",
    "CUL.LIB.BRW",
    sees=("claims.reader_blocked", "claims.reader_registered"),
)
def a31_reader_may_borrow(asked: RuleInput) -> str | None:
    """A30 and A31, CUL.LIB.BRW: registered with any member (place and medium are A04's), no block in either network."""
    if asked.question.claims.reader_blocked:
        return "READER_BLOCKED"
    return "REGISTER_READER" if asked.denies("reader_registered") else None


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
