"""What pages share that show reports of the person who has a card that was found: nothing is shown before the look is recorded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import medical_service_pb2, references_pb2

from hub.admin.snapshots import Asked, about_person
from hub.console.page import Page, PageUnknown
from hub.console.tables import Cell
from hub.domain.looks import Shown as ShownRecord
from hub.domain.looks import card_by_key
from hub.domain.reported import Person


class OfPerson(NamedTuple):
    """An answer about a person, and what each page says of the look."""

    answer: Any
    values: Mapping[str, object]


def asked(page: Page) -> Asked:
    """Returns for which side a question is asked: somebody of one province sees what that is a side of."""
    return Asked(page.province, page.today)


def reports_of(page: Page, shown: Sequence[int], ask: Callable[[psycopg.Connection, Person], Any]) -> OfPerson:
    """Returns the answer to a question about a person, once a look is recorded for each record in *shown*; raises PageUnknown."""
    handle = page.parameters["handle"]
    subject = page.subject(handle)
    if subject.card_key is None:
        raise PageUnknown
    ref = card_by_key(subject.issuing_province, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, subject.card_key)
    with page.reading() as connection:
        is_there, answer = about_person(connection, subject.card_key, ask)
    looks = [page.look(handle, ref, one) for one in (shown if is_there else (ShownRecord.SHOWN_RECORD_NOTHING,))]
    return OfPerson(answer, {"handle": handle, "shown_as": subject.shown_as, "looked_at": looks[-1]})


def what_is_wrong(page: Page, fault: medical_service_pb2.ReportFinding, words: Mapping[str, tuple[str, str]]) -> str:
    """Says what is wrong with a report, and where it is."""
    return f"{page.words.of(words, fault.code)} ({fault.position:,})"


def notes_cell(page: Page, notes: Iterable[str], *, is_wrong: bool) -> Cell:
    """Makes the cell of what is to be said of a row, marked where something is wrong; what is empty is left out."""
    return Cell(page.t("；", "; ").join(filter(None, notes)) or "—", mark="attention" if is_wrong else "")
