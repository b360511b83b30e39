"""Literal messages that tests build on; people only from the unassigned county codes 500199 and 510199."""

from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, event_pb2, references_pb2

# 2025-09-01 09:30:15 in +08:00.
AT_S = 1_756_690_215


def registered(card_no: str, province: str = "50", at_s: int = AT_S) -> event_pb2.Event:
    """An issuer's statement that a third-generation card is active."""
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    event.source.system = "test"
    name_card(event.card, card_no, province)
    event.issuer_region = f"{province}0199"
    event.card_registered.status, event.card_registered.generation, event.card_registered.card_kind = 5, 3, 1
    event.card_registered.transit_enabled = True
    return event


def lost(card_no: str, province: str = "50", at_s: int = AT_S + 60) -> event_pb2.Event:
    """A temporary loss."""
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    name_card(event.card, card_no, province)
    event.temporary_loss_reported.channel = 1
    return event


def journey(card_no: str, province: str = "50", at_s: int = AT_S, fare_fen: int = 360) -> event_pb2.Event:
    """A metro journey in Chengdu."""
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    event.source.system = "test"
    name_card(event.card, card_no, province)
    event.service_region, event.scenario, event.medium = "510100", "TRA.MET", acceptance_pb2.MEDIUM_CONTACTLESS
    journey = event.transit_journey_completed
    journey.tap.mode, journey.tap.purse_counter = 2, 137
    journey.fare_full_fen, journey.fare_paid_fen = max(400, fare_fen), fare_fen
    return event


def name_card(ref: references_pb2.CardRef, card_no: str, province: str) -> None:
    """Names a card by its number."""
    ref.issuing_province, ref.kind, ref.clear = province, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, card_no


def question(
    request_id: str, card_no: str, province: str = "50", scenario: str = "TRA.MET", region: str = "510100", min_position: int = 0
) -> card_service_pb2.CheckAcceptanceRequest:
    """May this card be used here?"""
    request = card_service_pb2.CheckAcceptanceRequest(
        request_id=request_id, scenario=scenario, service_region=region, medium=acceptance_pb2.MEDIUM_CONTACTLESS, min_position=min_position
    )
    name_card(request.card, card_no, province)
    return request
