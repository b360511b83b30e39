"""One example of each call, and of two refusals: real messages, checked by the annotations of the protos before they are shown."""

from collections.abc import Mapping

import protovalidate
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # noqa: F401 (its messages are inside the refusals shown)

from hub.api.edge.statuses import to_status
from hub.commands.pages.reference import (
    audit_examples,
    card_examples,
    case_examples,
    consumption_examples,
    culture_examples,
    feed_examples,
    finding_examples,
    fund_examples,
    indicator_examples,
    item_examples,
    medical_examples,
    reconciliation_examples,
    settlement_examples,
    transit_examples,
)
from hub.commands.pages.reference.samples import Example
from hub.domain import errors

EXAMPLES = {
    **feed_examples.EXAMPLES,
    **card_examples.EXAMPLES,
    **item_examples.EXAMPLES,
    **case_examples.EXAMPLES,
    **medical_examples.EXAMPLES,
    **consumption_examples.EXAMPLES,
    **culture_examples.EXAMPLES,
    **transit_examples.EXAMPLES,
    **fund_examples.EXAMPLES,
    **settlement_examples.EXAMPLES,
    **indicator_examples.EXAMPLES,
    **finding_examples.EXAMPLES,
    **reconciliation_examples.EXAMPLES,
    **audit_examples.EXAMPLES,
}


def of_method(name: str) -> Example:
    """Returns the example of a method; one that breaks an annotation raises protovalidate.ValidationError."""
    example = EXAMPLES[name]()
    for message in example:
        protovalidate.validate(message)
    return example


def refusals() -> Mapping[str, Message]:
    """Returns two refusals as the client gets them, by their reason."""
    return {
        "SEQUENCE_GAP": to_status(errors.SequenceGap(expected_sequence=42)),
        "REQUEST_INVALID": to_status(errors.RequestInvalid([("service_region", "string.pattern")])),
    }


def as_json(message: Message) -> str:
    """Returns a message in the JSON of protobuf, with the names that fields have in the .proto files."""
    return json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False)
