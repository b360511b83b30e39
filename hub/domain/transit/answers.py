"""What answers say of journeys and of trips that clearing refused: their messages; the service and the commands share them."""

from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain.instants import timestamp
from hub.domain.medical.answers import finding_messages
from hub.domain.reported import Reported
from hub.domain.transit.counters import Gap
from hub.domain.transit.journeys import Journey
from hub.domain.transit.rides import PART, WHOLE, Ride, counter_of
from hub.domain.usage import issuer_of

MOST = 200
# Trips a page where the question does not say it.
PAGE = 50


def journey_message(journey: Journey) -> protos.Journey:
    """Returns a journey as answers have it."""
    ride, one = journey.ride, journey.ride.taps[-1]
    message = protos.Journey(
        state=protos.JourneyState.Value(f"JOURNEY_STATE_{journey.state}"),
        missing=protos.MissingTap.Value(f"MISSING_TAP_{journey.missing or 'UNSPECIFIED'}"),
        business_day=journey.cell.day,
        region=journey.cell.region,
        scenario=journey.cell.scenario,
        mode=one.message.tap.mode,
        purse=journey.purse,
        epoch=journey.epoch,
        counter_in=counter_of(ride.entered),
        counter_out=counter_of(ride.left),
        fare_paid_fen=journey.fen,
        is_counted=journey.is_counted,
        position=one.position,
        findings=finding_messages(journey.findings),
    )
    _add_taps(message, journey)
    if ride.left is not None:
        paid = ride.left.message
        if ride.left.kind != PART:
            message.fare_full_fen = paid.fare_full_fen
            message.concession_type, message.concession_units = paid.concession_type, paid.concession_units
    if ride.discount is not None:
        message.discount_fen, message.transfer_of = ride.discount.message.discount_fen, ride.discount.message.first_leg_counter
    _add_dispute(message, ride)
    if journey.state == "REJECTED" and ride.tap is not None and ride.tap.verdict is not None:
        message.rejection = transit.ClearingRejection.ValueType(int(ride.tap.verdict.native))
    return message


def _add_taps(message: protos.Journey, journey: Journey) -> None:
    """Adds where and when it began and ended; a tap that alone is the journey is its end."""
    ride = journey.ride
    if ride.entered is not None:
        message.line_in, message.station_in = ride.entered.message.tap.line, ride.entered.message.tap.station
        message.entered_at.CopyFrom(timestamp(ride.entered.occurred_us))
    if ride.left is None:
        return
    message.line_out, message.station_out = ride.left.message.tap.line, ride.left.message.tap.station
    message.left_at.CopyFrom(timestamp(ride.ended_us))
    if ride.left.kind == WHOLE:
        message.line_in, message.station_in = (
            ride.left.message.line_in or message.line_in,
            ride.left.message.station_in or message.station_in,
        )
        if ride.left.message.HasField("entry_at"):
            message.entered_at.CopyFrom(ride.left.message.entry_at)


def _add_dispute(message: protos.Journey, ride: Ride) -> None:
    """Adds the newest dispute, and what was decided since."""
    disputed, last = ride.disputed, ride.last_of_dispute
    if disputed is not None:
        message.dispute_reason = disputed.message.reason_code
        message.disputed_at.CopyFrom(timestamp(disputed.occurred_us))
    if last is not None:
        message.dispute_outcome = last.message.outcome


def gap_message(purse: int, gap: Gap) -> protos.CounterGap:
    """Returns lost taps of a purse as answers have them."""
    message = protos.CounterGap(purse=purse, epoch=gap.epoch, after_counter=gap.after, before_counter=gap.before, missing=gap.missing)
    message.before_at.CopyFrom(timestamp(gap.occurred_us))
    return message


def rejected_message(verdict: Reported, journey: Journey | None) -> protos.RejectedTrip:
    """Returns a refusal of clearing as answers have it; *journey* is None where nobody has reported the trip."""
    event = verdict.event
    message = protos.RejectedTrip(
        trip=verdict.message.trip,
        reason=verdict.message.reason,
        state=protos.JOURNEY_STATE_OPEN,
        region=event.service_region,
        issuing_province=issuer_of(event),
    )
    message.rejected_at.CopyFrom(timestamp(verdict.occurred_us))
    if journey is not None:
        message.state = protos.JourneyState.Value(f"JOURNEY_STATE_{journey.state}")
        message.region, message.issuing_province, message.fare_paid_fen = journey.cell.region, journey.cell.issuer, journey.fen
        message.occurred_at.CopyFrom(timestamp(journey.ride.ended_us))
    return message
