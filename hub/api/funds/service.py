"""FundService: batches of the caller's province, their rows, payees before they are sent, and accounts that gave way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import card_service_pb2 as checks_protos
from chuanyu.exchange.v1 import fund_service_pb2 as protos

from hub.admin.funds import get_batch, list_account_changes, list_rows
from hub.api.cards.checks import Checks
from hub.api.cards.persons import asked_by
from hub.api.cards.view_wait import when_seen
from hub.api.edge import call_log
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, streaming, unary
from hub.api.edge.statuses import to_status
from hub.api.edge.turns import Reads
from hub.api.edge.windowed import windowed
from hub.domain.errors import HubError, RequestInvalid
from hub.domain.reference import Reference
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import now_us, refuse_invalid, refuse_outside
from hub.projections.views.card_alias import cards_of

SCENARIO = "FND.PAY"
# Each message has up to 500 payees of its own.
STREAM_MESSAGES = 2


class FundService:
    """Used from one event loop; close it when done."""

    def __init__(self, dsn: str, checks: Checks, identifiers: Identifiers, reference: Reference) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *checks* records what is answered of a payee."""
        self._reads = Reads(dsn, "hub_reader", "hub-funds")
        self._checks, self._identifiers, self._reference = checks, identifiers, reference

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.FundService",
            {
                "GetBatch": unary(gate, reader(protos.GetBatchRequest), self.get_batch),
                "ListRows": unary(gate, reader(protos.ListRowsRequest), self.list_rows),
                "CheckPayees": streaming(gate, reader(protos.CheckPayeesRequest), self.check_payees),
                "ListAccountChanges": unary(gate, reader(protos.ListAccountChangesRequest), self.list_account_changes),
            },
        )

    async def get_batch(self, request: protos.GetBatchRequest, caller: Caller) -> protos.GetBatchResponse:
        """Gives a batch; raises FundBatchNotFound, NotPermitted, RequestInvalid or ViewBehind."""
        refuse_invalid(request)
        return await self._read(caller, get_batch, self._reference, request, asked_by(caller), now_us())  # type: ignore[no-any-return]

    async def list_rows(self, request: protos.ListRowsRequest, caller: Caller) -> protos.ListRowsResponse:
        """Lists rows of a batch; raises FundBatchNotFound, NotPermitted, RequestInvalid or ViewBehind."""
        refuse_invalid(request)
        return await self._read(caller, list_rows, self._reference, request, asked_by(caller), now_us())  # type: ignore[no-any-return]

    async def list_account_changes(self, request: protos.ListAccountChangesRequest, caller: Caller) -> protos.ListAccountChangesResponse:
        """Lists accounts that gave way, of either province: a payee's bank may be in the other one; raises RequestInvalid or ViewBehind."""
        refuse_invalid(request)
        named = [acceptance_pb2.SubjectRefs(account=account) for account in request.accounts]
        keys = [self._identifiers.keyed(one, f"accounts[{number}]").account.key.hex() for number, one in enumerate(named)]
        return await self._read(caller, list_account_changes, request, keys)  # type: ignore[no-any-return]

    async def _read(self, caller: Caller, ask: Callable[..., Any], *args: Any) -> Any:
        async def attempt() -> Any:
            def work(connection: psycopg.Connection) -> Any:
                return ask(connection, *args)

            return await self._reads.read(caller.urn, work)

        return await when_seen(attempt)

    def check_payees(self, requests: AsyncIterator[protos.CheckPayeesRequest], caller: Caller) -> AsyncIterator[protos.CheckPayeesResponse]:
        """Answers each message once the answers to all its payees are recorded, in the order of the messages."""
        seen: dict[tuple[str, str, bytes], str] = {}

        async def begin(request: protos.CheckPayeesRequest) -> asyncio.Task[protos.CheckPayeesResponse]:
            # What is wrong with one payee refuses that one alone, by the question about it.
            refuse_invalid(request, "check_id", apart_from=("payees.card", "payees.account"))
            if caller.province:
                refuse_outside(caller.province, request.service_region)
            cards = await self._reads.read(caller.urn, partial(cards_of, names=self._names(request)))
            under_way = [await self._begin(one, caller) for one in _questions(request, cards, seen)]
            return asyncio.create_task(_answered(request, under_way))

        return windowed(requests, STREAM_MESSAGES, begin, in_order=True)

    def _names(self, request: protos.CheckPayeesRequest) -> list[bytes]:
        """Returns the keys of the payees' cards as they are named; of a name that is none, what was written: it is refused by itself."""
        found = []
        for payee in request.payees:
            try:
                found.append(self._identifiers.keyed(checks_protos.CheckAcceptanceRequest(card=payee.card), "payee").card.key)
            except RequestInvalid:
                found.append(payee.card.SerializeToString(deterministic=True))
        return found

    async def _begin(self, check: checks_protos.CheckAcceptanceRequest, caller: Caller) -> asyncio.Task[protos.PayeeChecked]:
        await caller.allowance.calls.wait()
        task = asyncio.create_task(self._check(check, caller))
        task.add_done_callback(caller.allowance.calls.leave)
        return task

    async def _check(self, check: checks_protos.CheckAcceptanceRequest, caller: Caller) -> protos.PayeeChecked:
        checked = protos.PayeeChecked()
        try:
            async with caller.allowance.shares[caller.call.name].turn(), caller.allowance.questions:
                checked.answered.CopyFrom(await self._checks.answer(check, caller, serves_all=True))
        except HubError as error:
            checked.refused.CopyFrom(to_status(error))
        except Exception:
            checked.refused.CopyFrom(call_log.failed(caller.call))
        return checked


async def _answered(request: protos.CheckPayeesRequest, under_way: list[asyncio.Task[protos.PayeeChecked]]) -> protos.CheckPayeesResponse:
    answer = protos.CheckPayeesResponse(check_id=request.check_id)
    for payee, checked in zip(request.payees, await asyncio.gather(*under_way), strict=True):
        checked.row_no = payee.row_no
        answer.payees.append(checked)
    return answer


def _questions(
    request: protos.CheckPayeesRequest, cards: list[bytes], seen: dict[tuple[str, str, bytes], str]
) -> list[checks_protos.CheckAcceptanceRequest]:
    """Returns the question about each payee; one that another row of this stream names, for the same project and period, is paid twice.

    *cards* are the payees' cards, by whichever identifier they are named. *seen* has the first row of each: a message that comes again is
    no other row, and gets the same answers.
    """
    found = []
    for payee, card in zip(request.payees, cards, strict=True):
        check = checks_protos.CheckAcceptanceRequest(
            request_id=f"{request.check_id}/{payee.row_no}", card=payee.card, scenario=SCENARIO,
            service_region=request.service_region, medium=acceptance_pb2.MEDIUM_CONTACT,
        )  # fmt: skip
        check.subject_refs.project_code, check.subject_refs.period = request.project_code, request.period
        if payee.HasField("account"):
            check.subject_refs.account.CopyFrom(payee.account)
        if payee.HasField("payee_name_matches"):
            check.claims.payee_name_matches = payee.payee_name_matches
        whom = request.project_code, request.period, card
        check.claims.already_paid = seen.setdefault(whom, check.request_id) != check.request_id
        found.append(check)
    return found
