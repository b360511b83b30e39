"""What the number of a person says of the birth date: one that is reported must agree with it, and where none is, it is taken from it.

A citizen's number has the birth date in it (GB 11643), so that an age is known wherever the number is. Numbers that
give none (passports, old forms) say nothing here.
"""

from typing import Any

from chuanyu.exchange.v1 import event_pb2

from hub.domain.pseudonym import born_on, is_well_formed

# The kinds that say a birth date; whose it is says the document that the kind corrects, else the event's holder.
_TELLING = frozenset({"card_registered", "card_applied", "holder_data_corrected"})


def settle_birth_date(event: event_pb2.Event, kind: str, message: Any) -> list[tuple[str, str]]:
    """Sets the birth date of an event, whose references are in clear, from its holder's number; returns what contradicts that number."""
    if kind not in _TELLING:
        return []
    # The number that a correction is addressed to may be the one that was wrong.
    holder = message.corrected_holder if kind == "holder_data_corrected" else event.holder
    born = born_on(holder) if holder.clear and is_well_formed(holder) else ""
    if not born:
        return []
    told, known = message.birth_date, f"{born[:4]}-{born[4:6]}-{born[6:]}"
    message.birth_date = told or known
    return [(f"{kind}.birth_date", "contradicts_number")] if told and told != known else []
