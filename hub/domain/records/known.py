"""What the hub knew of a holder when a question was asked: the facts that are kept of him, and how far their registers can be trusted."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.domain.card_facts import Fact
from hub.domain.concessions import Entry
from hub.domain.records.items import ItemChange, packed_changes, unpacked_changes
from hub.domain.records.weighing import UNKNOWN, OnRecord
from hub.domain.reported import NOBODY, Person, Reported

# A register by its name and the province that keeps it.
RegisterKey = tuple[str, str]


class Declaration(NamedTuple):
    """A register is reported whole: where that was said, from which instant on, and how long its owner may be silent."""

    position: int
    from_us: int
    fresh_us: int


class Register(NamedTuple):
    """A register: when it was declared whole, in order, and when its owner last reported anything of it."""

    declared: tuple[Declaration, ...]
    last_us: int

    def declared_at(self, at_us: int) -> Declaration | None:
        """Returns the declaration in force at an instant, None before the first."""
        return next((one for one in reversed(self.declared) if one.from_us <= at_us), None)

    def is_silent(self, at_us: int) -> bool:
        """Whether its owner, who had declared it whole, has not reported for longer than it said."""
        declared = self.declared_at(at_us)
        return declared is not None and at_us - self.last_us > declared.fresh_us


class Library(NamedTuple):
    """What is reported of a person as a reader, and of all items that the person borrowed: anybody may return them."""

    reports: tuple[Reported, ...] = ()
    reader: Person = NOBODY


_NO_LIBRARY = Library()


class Records(NamedTuple):
    """*facts* are in order; *registers* has those that are declared complete; *units* are the entries of concessions.

    *token* says NO once another answer has used what the e-card shows; that nobody has is not known, since not every use asks the hub.
    *items* are the changes of the catalogue that are about the item of the question, *institution* the reports of its institution.
    """

    facts: tuple[Fact, ...] = ()
    registers: Mapping[RegisterKey, Register] = {}
    units: tuple[Entry, ...] = ()
    library: Library = _NO_LIBRARY
    token: OnRecord = UNKNOWN
    items: tuple[ItemChange, ...] = ()
    institution: tuple[Reported, ...] = ()

    def of(self, at_us: int, *kinds: str) -> list[Fact]:
        """Returns the facts of some kinds that had happened by an instant, in order."""
        return [fact for fact in self.facts if fact.kind in kinds and fact.occurred_us <= at_us]

    def says(self, register: RegisterKey, at_us: int, position: int, *, holds: bool) -> OnRecord:
        """Returns what a fact of a register says, unknown where the register's owner has been silent for too long."""
        known = self.registers.get(register)
        return UNKNOWN if known is not None and known.is_silent(at_us) else OnRecord(holds, position)

    def silence(self, at_us: int, *registers: RegisterKey, holds: bool = False) -> OnRecord:
        """Returns what follows from nothing being recorded: *holds* where all the registers are complete and fresh, else unknown."""
        found = [self.registers.get(register) for register in registers]
        declared = [known.declared_at(at_us) for known in found if known is not None and not known.is_silent(at_us)]
        positions = [one.position for one in declared if one is not None]
        return OnRecord(holds, max(positions)) if len(positions) == len(registers) else UNKNOWN


def records_of(
    rows: Iterable[Iterable[Fact]],
    registers: Mapping[RegisterKey, Register],
    units: Iterable[Entry] = (),
    library: Library = _NO_LIBRARY,
) -> Records:
    """Puts together the facts of all rows of a holder, each once."""
    facts = {fact.position: fact for row in rows for fact in row}
    return Records(tuple(sorted(facts.values(), key=lambda fact: (fact.occurred_us, fact.position))), registers, tuple(units), library)


def library_of(reports: Iterable[Reported], own: Iterable[int]) -> Library:
    """Puts together reports; those at the positions *own* name the reader."""
    told, named = tuple(reports), set(own)
    holders = (one.event.holder.key for one in told if one.position in named)
    cards = (one.card for one in told if one.position in named)
    return Library(told, Person(frozenset(filter(None, holders)), frozenset(filter(None, cards))))


NOTHING = Records()


def packed(records: Records) -> dict[str, Any]:
    """Writes records as JSON has them."""
    registers = [[*key, *register] for key, register in records.registers.items()]
    reports = _packed_reports(records.library.reports)
    own = [one.position for one in records.library.reports if records.library.reader.is_of(one)]
    library = {"reports": reports, "own": own}
    known: dict[str, Any] = {
        "facts": records.facts,
        "registers": registers,
        "units": records.units,
        "library": library,
        "token": records.token,
    }
    if records.institution:
        known["institution"] = _packed_reports(records.institution)
    return known | ({"items": packed_changes(records.items)} if records.items else {})


def _packed_reports(reports: Iterable[Reported]) -> list[list[Any]]:
    return [[one.kind, one.event.SerializeToString().hex(), one.occurred_us, one.position] for one in reports]


def _unpacked_reports(told: Iterable[Any]) -> tuple[Reported, ...]:
    return tuple(Reported(kind, event_pb2.Event.FromString(bytes.fromhex(event)), *when) for kind, event, *when in told)


def unpacked(said: Mapping[str, Any]) -> Records:
    """Reads what `packed` wrote."""
    registers = {
        (name, province): Register(tuple(Declaration(*one) for one in declared), last_us)
        for name, province, declared, last_us in said["registers"]
    }
    facts, units = (Fact(*fact) for fact in said["facts"]), (Entry(*entry) for entry in said.get("units", ()))
    told = said.get("library", {"reports": (), "own": ()})
    library = library_of(_unpacked_reports(told["reports"]), told["own"])
    items, institution = unpacked_changes(said.get("items", ())), _unpacked_reports(said.get("institution", ()))
    return Records(tuple(facts), registers, tuple(units), library, OnRecord(*said.get("token", UNKNOWN)), items, institution)
