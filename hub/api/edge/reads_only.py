"""An edge at a standby: it serves what only reads, and sends callers elsewhere with all that would be recorded."""

from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
from chuanyu.exchange.v1 import (
    audit_service_pb2,
    card_service_pb2,
    consumption_service_pb2,
    culture_service_pb2,
    feed_service_pb2,
    finding_service_pb2,
    fund_service_pb2,
    indicator_service_pb2,
    medical_service_pb2,
    reconciliation_service_pb2,
    service_item_service_pb2,
    settlement_service_pb2,
    transit_service_pb2,
)
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Handler, service, streaming, unary
from hub.domain.errors import JournalUnavailable

# What these services answer is recorded first, makes a sender forget what it has, or speaks of what was signed last: all are the primary's.
RECORDING = (
    feed_service_pb2.DESCRIPTOR.services_by_name["FeedService"],
    card_service_pb2.DESCRIPTOR.services_by_name["CardService"],
    service_item_service_pb2.DESCRIPTOR.services_by_name["ServiceItemService"],
    medical_service_pb2.DESCRIPTOR.services_by_name["MedicalService"],
    consumption_service_pb2.DESCRIPTOR.services_by_name["ConsumptionService"],
    culture_service_pb2.DESCRIPTOR.services_by_name["CultureService"],
    transit_service_pb2.DESCRIPTOR.services_by_name["TransitService"],
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
    reconciliation_service_pb2.DESCRIPTOR.services_by_name["ReconciliationService"],
    indicator_service_pb2.DESCRIPTOR.services_by_name["IndicatorService"],
    finding_service_pb2.DESCRIPTOR.services_by_name["FindingService"],
    fund_service_pb2.DESCRIPTOR.services_by_name["FundService"],
    settlement_service_pb2.DESCRIPTOR.services_by_name["SettlementService"],
)


class EdgeReadsOnly(JournalUnavailable):
    """This edge is at a standby and records nothing; send to another edge."""


class StandbyAway(JournalUnavailable):
    """The synchronous standby of the database is away, and nothing is recorded without it; resend, nothing is lost."""


class StandbyLate(JournalUnavailable):
    """The standby that this edge reads is too far behind its primary; ask another edge, or come back."""


def refusing(gate: Gate) -> tuple[grpc.GenericRpcHandler, ...]:
    """Makes the handlers of the services that record: each method is refused, once its caller is known."""
    return tuple(service(one.full_name, {method.name: _refusing(gate, method) for method in one.methods}) for one in RECORDING)


def _refusing(gate: Gate, method: MethodDescriptor) -> Handler:
    return streaming(gate, bytes, _refuse_all) if method.client_streaming else unary(gate, bytes, _refuse)


async def _refuse(_: bytes, __: Caller) -> NoReturn:
    raise EdgeReadsOnly


async def _refuse_all(_: AsyncIterator[Any], __: Caller) -> AsyncIterator[Message]:
    raise EdgeReadsOnly
    yield
