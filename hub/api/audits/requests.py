"""Audits over gRPC: asked for, decided by operators, followed, called off, and handed over once it is recorded who gets what.

A participant asks about cards of its own province and sees its own audits alone; operators' tools ask everything and see all.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from chuanyu.exchange.v1 import audit_requests_pb2 as events
from chuanyu.exchange.v1 import audit_service_pb2 as protos

from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.audit.requests import reading
from hub.audit.requests.desk import Asking, AuditDesk, opened
from hub.audit.requests.folder import Folder
from hub.audit.requests.rights import card_in
from hub.domain.audit_errors import AuditBeyondRight
from hub.domain.audit_request import DELIVERED, RUNNING, AuditRequest, number_of
from hub.domain.errors import NotPermitted, RequestInvalid
from hub.domain.participant import OPERATOR
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.trust.keyring import Keyring

PIECE = 256 * 1024
_PAGE = 100


class AuditRequests:
    """Used from one event loop; close it when done."""

    def __init__(self, dsn: str, keyring: Keyring, data_dir: Path) -> None:
        """*data_dir* is where the files of audits are, on the machine that runs them."""
        self._dsn, self._keyring, self._data_dir = dsn, keyring, data_dir
        self._reads, self._listed = Reads(dsn, "hub_reader", "hub-audits"), reading.Listed()

    def close(self) -> None:
        """Ends the thread and closes its connection."""
        self._reads.close()

    async def request(self, request: protos.RequestReplayRequest, caller: Caller) -> protos.RequestReplayResponse:
        """Records a request; raises RequestInvalid, AuditBeyondRight, or what is refused of its times."""
        person = _person(request, caller)
        refuse_identifiers(request, "purpose", "legal_basis")
        _refuse_beyond(request, caller)
        asking = Asking(request.question, request.purpose, request.legal_basis)
        found = await self._deciding(caller, lambda desk: desk.request(asking, person, self._keyring, datetime.now(UTC)))
        return protos.RequestReplayResponse(replay=self._message(found))

    async def approve(self, request: protos.ApproveReplayRequest, caller: Caller) -> protos.ApproveReplayResponse:
        """Approves or refuses; raises NotPermitted for who is no operator, AuditUnknown, AuditSamePerson, AuditDecided."""
        refuse_invalid(request)
        if caller.urn != OPERATOR:
            raise NotPermitted
        person, code, reason = _named(caller, caller.operator), request.audit_code, request.refuse_reason_code

        def decide(desk: AuditDesk) -> AuditRequest:
            at = datetime.now(UTC)
            return desk.refuse(code, person, reason, at) if reason else desk.approve(code, person, at)

        return protos.ApproveReplayResponse(replay=self._message(await self._deciding(caller, decide)))

    async def get(self, request: protos.GetReplayRequest, caller: Caller) -> protos.GetReplayResponse:
        """Says how far an audit is; raises AuditUnknown or AuditBeyondRight."""
        refuse_invalid(request)
        found = await self._reads.read(caller.urn, reading.find, request.audit_code)
        _refuse_others(found, caller)
        return protos.GetReplayResponse(replay=self._message(found))

    async def list(self, request: protos.ListReplaysRequest, caller: Caller) -> protos.ListReplaysResponse:
        """Lists those that a caller may see."""
        refuse_invalid(request)
        found: list[AuditRequest] = await self._reads.read(caller.urn, self._listed.newest, _PAGE, request.before)
        seen = [one for one in found if caller.urn in (OPERATOR, one.requested.by.participant)]
        wanted = [one for one in seen if not request.state or _state(one) == request.state]
        following = number_of(found[-1].code) if len(found) == _PAGE else 0
        return protos.ListReplaysResponse(replays=map(self._message, wanted), next_before=following if following > 1 else 0)

    async def cancel(self, request: protos.CancelReplayRequest, caller: Caller) -> protos.CancelReplayResponse:
        """Calls one off; raises AuditUnknown, AuditBeyondRight or AuditOver."""
        person, code = _person(request, caller), request.audit_code

        def end(desk: AuditDesk) -> AuditRequest:
            _refuse_others(desk.find(code), caller)
            return desk.cancel(code, person, datetime.now(UTC))

        return protos.CancelReplayResponse(replay=self._message(await self._deciding(caller, end)))

    async def download(self, request: protos.DownloadBundleRequest, caller: Caller) -> AsyncIterator[protos.DownloadBundleResponse]:
        """Gives a file in pieces; raises AuditUnknown, AuditBeyondRight, AuditNotDelivered or AuditPartMissing."""
        person, code, part = _person(request, caller), request.audit_code, request.part

        def shown(desk: AuditDesk) -> Path | None:
            found = desk.find(code)
            _refuse_others(found, caller)
            file = Folder(self._data_dir, found.code).file(part) if found.state == DELIVERED else None
            desk.show(code, person, part, datetime.now(UTC))
            return file

        path = await self._deciding(caller, shown)
        with path.open("rb") as file:
            while piece := await self._reads.run(caller.urn, file.read, PIECE):
                yield protos.DownloadBundleResponse(chunk=piece)

    async def _deciding(self, caller: Caller, act: Callable[[AuditDesk], Any]) -> Any:
        return await self._reads.decide(caller.urn, partial(opened, self._dsn), act)

    def _message(self, found: AuditRequest) -> protos.Replay:
        asked, folder = found.requested, Folder(self._data_dir, found.code)
        done = folder.progress() if found.state == RUNNING else None
        made = protos.Replay(
            audit_code=found.code, state=_state(found), question=asked.question, question_digest=asked.question_digest,
            purpose=asked.purpose, legal_basis=asked.legal_basis, requested_by=asked.by, decided_by=found.decided_by,
            reason_code=found.reason_code, delivered=found.delivered, parts=folder.parts() if found.state == DELIVERED else (),
        )  # fmt: skip
        made.requested_at.FromDatetime(found.steps[0].at)
        if done is not None:
            made.done, made.of = done
        return made


def _state(found: AuditRequest) -> protos.ReplayState.ValueType:
    return protos.ReplayState.Value(f"REPLAY_STATE_{found.state}")


def _person(request: Any, caller: Caller) -> events.AuditPerson:
    """Returns who acts: the operator behind a tool, else the person that a participant names; raises RequestInvalid."""
    refuse_invalid(request)
    refuse_identifiers(request, "person")
    name = caller.operator or request.person
    if not name:
        raise RequestInvalid([("person", "required")])
    return _named(caller, name)


def _named(caller: Caller, name: str) -> events.AuditPerson:
    return events.AuditPerson(participant=caller.urn, name=name)


def _refuse_beyond(request: protos.RequestReplayRequest, caller: Caller) -> None:
    """Raises AuditBeyondRight unless a caller may ask, and RequestInvalid for a card by key: who has not seen it has no number."""
    kind, card = request.question.WhichOneof("asked"), card_in(request.question)
    if caller.urn != OPERATOR and (kind != "card" or card is None or card.issuing_province != caller.province):
        raise AuditBeyondRight
    if card is not None and card.key:
        raise RequestInvalid([(f"question.{kind}.card.key", "clear_only")])


def _refuse_others(found: AuditRequest, caller: Caller) -> None:
    if caller.urn not in (OPERATOR, found.requested.by.participant):
        raise AuditBeyondRight
