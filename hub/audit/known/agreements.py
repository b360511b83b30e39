"""An agreement as of both times: its versions, whether it was in force, and what waited for signatures."""

from collections.abc import Iterator

import psycopg
from chuanyu.exchange.v1 import agreement_history_pb2 as stored
from chuanyu.exchange.v1 import audit_question_pb2 as protos
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from hub.audit.known.asking import AsOf
from hub.audit.known.thing import Folded, Line, Lines, is_live, line
from hub.audit.outcome import Text
from hub.audit.replay import said
from hub.audit.replay.own import Own
from hub.domain.agreement import version_code
from hub.domain.agreement_history import Version, is_suspended, pauses, status, versions
from hub.domain.errors import AgreementUnknown
from hub.journal.corrections import Change
from hub.journal.reader import Recorded, events_at
from hub.projections.views.agreements import AGREEMENTS
from hub.words.names import AGREEMENTS as STATES


class Agreed:
    """An agreement at an instant; a stream has one."""

    def __init__(self, own: Own, code: str, valid_us: int) -> None:
        """*own* are the events of its stream."""
        self.own, self._valid_us, self._folded = own, valid_us, Folded(AGREEMENTS)
        self.name = Text(f"约定 {code}", f"agreement {code}")

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""
        self._folded.fold(event, change)

    def lines(self) -> Lines:
        """Returns what is known by the events so far."""
        rows = [row for row in self._folded.states(AGREEMENTS).values() if row is not None]
        return tuple(self._say(stored.AgreementHistory.FromString(rows[0][1]))) if rows else ()

    def _say(self, history: stored.AgreementHistory) -> Iterator[Line]:
        state = status(history, self._valid_us)
        yield line("state", ("状态", "state"), state, STATES[state])
        for one in versions(history):
            yield self._say_version(history, one)
        if history.HasField("proposal"):
            sides = " ".join(sorted(signature.side for signature in history.proposal.signatures))
            terms = _terms(history.proposal.terms)
            words = Text(f"已签：{sides or '—'}；{terms}", f"signed by {sides or 'nobody'}; {terms}")
            yield line("proposal", ("待签", "waits for signatures"), f"{sides} {history.proposal.SerializeToString().hex()}", words)
        if history.HasField("ended_at"):
            yield line("ended", ("终止", "ended"), said.at(history.ended_at.ToMicroseconds()))

    def _say_version(self, history: stored.AgreementHistory, one: Version) -> Line:
        until = "…" if one.to_us is None else said.at(one.to_us)
        covers = one.from_us <= self._valid_us and (one.to_us is None or self._valid_us < one.to_us)
        holds = covers and not is_suspended(pauses(history), self._valid_us)
        text = f"{said.at(one.from_us)} – {until}; {_terms(one.terms)}"
        code = version_code(history.agreement_code, one.number)
        words = Text(f"{'有效；' if holds else ''}{text}", f"{'in force; ' if holds else ''}{text}")
        return line(f"version {code}", (f"版本 {code}", f"version {code}"), f"{holds} {text}", words)

    def is_same(self, connection: psycopg.Connection) -> bool:
        """Whether the live view has this history."""
        return is_live(connection, AGREEMENTS, self._folded.states(AGREEMENTS))


def find(connection: psycopg.Connection, asked: protos.AgreementQuestion, at: AsOf) -> Agreed:
    """Finds an agreement by its code; raises AgreementUnknown."""
    runs = connection.execute(_RUNS, {"code": asked.agreement_code}).fetchall()
    positions = [position for first, count in runs for position in range(first, first + count) if position <= at.reached]
    events = events_at(connection, sorted(positions), AGREEMENTS.kinds)
    if not events:
        raise AgreementUnknown
    return Agreed(Own(b"", events, {}, frozenset(event.position for event in events)), asked.agreement_code, at.valid_us)


def _terms(terms: Message) -> str:
    """Writes terms as one line: fields that are set, but for the times that are said beside them."""
    found = MessageToDict(terms, preserving_proto_field_name=True)
    fields = {name: value for name, value in found.items() if name not in ("valid_from", "valid_to")}
    return "; ".join(f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in fields.items())


# Positions first: asked for together with the events, the server reads the whole journal beside them.
_RUNS = f"""
    SELECT b.first_position, b.last_sequence - b.first_sequence + 1
    FROM views.{AGREEMENTS.name} a JOIN journal.batch b USING (stream_id) WHERE a.code = %(code)s"""  # noqa: S608 (our own view)
