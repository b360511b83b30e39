"""Documents and codes that cards carry 多证融合: each has days of its own, belongs to the person, and lives on when the card is replaced.

A province reports what its cards carry. What it reported of a document last counts: folded in (again), or withdrawn.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import control_pb2 as control

from hub.domain.card_facts import Fact
from hub.domain.records.known import Records
from hub.domain.records.weighing import OnRecord

FOLDED_IN, WITHDRAWN = "document_folded_in", "document_withdrawn"
DOCUMENT_KINDS = frozenset({FOLDED_IN, WITHDRAWN})
REGISTER = "DOCUMENTS"
# Which document is shown by a medium; by any other none is.
DOCUMENT_OF: Mapping[int, str] = {
    acceptance.MEDIUM_DISABILITY_CERTIFICATE: "DISABILITY_CERTIFICATE",
    acceptance.MEDIUM_WORK_PERMIT: "WORK_PERMIT",
    acceptance.MEDIUM_YUKUAI_CODE: "YUKUAI_CODE",
    acceptance.MEDIUM_TALENT_CODE: "TALENT_CODE",
}


class Carried(NamedTuple):
    """A document by the last report of a province: its days, and the report itself."""

    document: str
    province: str
    valid_from: str
    valid_to: str
    last: Fact

    def is_in_force(self, day: str) -> bool:
        """Whether it may be shown on a day."""
        return self.last.kind == FOLDED_IN and self.valid_from <= day and (not self.valid_to or day <= self.valid_to)


def document_detail(message: Any) -> dict[str, Any]:
    """Returns what is kept of a report; a withdrawal has no days."""
    name = control.CardDocument.Name(message.document).removeprefix("CARD_DOCUMENT_")
    days = {"from": message.valid_from, "to": message.valid_to} if isinstance(message, control.DocumentFoldedIn) else {}
    return {"document": name, **days}


def documents_in(facts: Iterable[Fact], at_us: int) -> list[Carried]:
    """Returns what each province said last of each document by an instant; facts are in order."""
    carried: dict[tuple[str, str], Carried] = {}
    for fact in facts:
        if fact.kind not in DOCUMENT_KINDS or fact.occurred_us > at_us:
            continue
        key = (fact.detail["document"], fact.detail["by"])
        before = carried.get(key)
        if fact.kind == FOLDED_IN:
            carried[key] = Carried(*key, fact.detail["from"], fact.detail["to"], fact)
        else:
            carried[key] = before._replace(last=fact) if before is not None else Carried(*key, "", "", fact)
    return [carried[key] for key in sorted(carried)]


def says(records: Records, document: str, issuing_province: str, at_us: int, day: str) -> OnRecord:
    """Returns whether a document is in force by any province that is heard; where none said anything, what the issuer's silence says."""
    told = [one for one in documents_in(records.facts, at_us) if one.document == document]
    said = [records.says((REGISTER, one.province), at_us, one.last.position, holds=one.is_in_force(day)) for one in told]
    heard = sorted((one for one in said if one.says is not None), key=lambda one: (one.says is True, one.position))
    if heard:
        return heard[-1]
    return said[0] if said else records.silence(at_us, (REGISTER, issuing_province))


def only_documents(records: Records) -> Records:
    """Leaves only what is on record of documents: where nothing else was read, its absence must say nothing."""
    registers = {key: register for key, register in records.registers.items() if key[0] == REGISTER}
    return Records(tuple(fact for fact in records.facts if fact.kind in DOCUMENT_KINDS), registers)
