"""A case 办件 as of both times: how far it was by what was reported then, who had to act next, and by when."""

from collections.abc import Iterator

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.known.asking import AsOf
from hub.audit.known.catalogue import catalogue_at
from hub.audit.known.thing import Folded, Line, Lines, is_live, line
from hub.audit.outcome import Text
from hub.audit.replay.own import Own, events_of
from hub.domain.errors import CaseNotFound
from hub.domain.instants import local_day
from hub.domain.joint_services.case_clock import clock_of, next_actors
from hub.domain.joint_services.cases import Case, fold
from hub.domain.joint_services.catalogue import Catalogue
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.projection import Key
from hub.projections.rows import rows_of
from hub.projections.views.cases import CASES, decode
from hub.words.names import PROVINCES
from hub.words.services import ACTORS, CASE_STATES


class Application:
    """A case at an instant, by the catalogue that was recorded by then."""

    def __init__(self, own: Own, key: Key, at: AsOf, catalogue: Catalogue) -> None:
        """*key* is that of its row."""
        self.own, self._key, self._at, self._catalogue, self._folded = own, key, at, catalogue, Folded(CASES)
        zh, en = PROVINCES[key[0]]
        self.name = Text(f"{zh}办件 {key[1]}", f"case {key[1]} of {en}")

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""
        self._folded.fold(event, change)

    def lines(self) -> Lines:
        """Returns what is known by the events so far, of what had happened by the instant."""
        reports = self._folded.state(CASES, self._key) or ()
        facts = [one.fact for one in reports if not one.until and one.fact.occurred_us <= self._at.valid_us]
        return tuple(self._say(fold(facts, self._catalogue))) if facts else ()

    def _say(self, known: Case) -> Iterator[Line]:
        clock = clock_of(known, self._catalogue.reference.working_days, local_day(self._at.valid_us))
        actors = next_actors(known)
        words = [ACTORS[actor] for actor in actors]
        yield line("state", ("状态", "state"), known.state, CASE_STATES[known.state])
        yield line("next", ("下一步由", "who acts next"), " ".join(actors), _together(words))
        due = clock.due_on.isoformat() if clock.due_on is not None else ""
        provisional = Text("（暂定）", " (provisional)") if clock.is_provisional else Text("", "")
        late = Text("，已超期", ", overdue") if clock.is_overdue else Text("", "")
        said = Text(f"{due}{provisional.zh}{late.zh}" or "—", f"{due}{provisional.en}{late.en}" or "—")
        yield line("due", ("到期", "due"), f"{due} {clock.is_provisional} {clock.is_overdue}" if due else "", said)
        yield line("started", ("时限自", "clock started"), clock.started_on)
        yield line("promised", ("承诺工作日", "promised working days"), clock.promised_working_days)
        yield line("paused", ("中止工作日", "days paused"), f"{clock.paused_days} …" if clock.is_paused else clock.paused_days)
        yield line("deciding", ("决定方", "deciding side"), known.deciding_province, PROVINCES.get(known.deciding_province, ""))
        yield line("item", ("事项", "item"), known.item_id or known.item_code)
        if known.granted is not None:
            yield line("granted", ("准予", "granted"), known.granted, ("是", "yes") if known.granted else ("否", "no"))
        if known.stars:
            yield line("stars", ("评价", "rating"), known.stars)
        if known.findings:
            found = " ".join(f"{one.code} {one.position}" for one in known.findings)
            yield line("findings", ("不符之处", "what does not go together"), found)

    def is_same(self, connection: psycopg.Connection) -> bool:
        """Whether the live view has this row; an event that was given another number is in two cases."""
        return is_live(connection, CASES, {self._key: self._folded.state(CASES, self._key)})


def find(connection: psycopg.Connection, asked: protos.CaseQuestion, at: AsOf) -> Application:
    """Finds a case by its side and number; raises CaseNotFound."""
    key = asked.handling_province, asked.case_no
    rows = list(rows_of(connection, CASES.rows, CASES.key_columns, [key]))
    if not rows:
        raise CaseNotFound
    reports = decode(rows[0][2:])
    positions = {at for one in reports for at in (one.fact.position, one.since, one.until) if at}
    return Application(events_of(connection, positions, at.reached), key, at, catalogue_at(connection, at.position))


def _together(words: list[tuple[str, str]]) -> Text | str:
    return Text("、".join(zh for zh, _ in words), ", ".join(en for _, en in words)) if words else ""
