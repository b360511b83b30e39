"""The outcomes of an answer by the names that rules, pages and commands use, and by the numbers of the protos."""

from chuanyu.exchange.v1.acceptance_pb2 import AcceptanceOutcome

OUTCOME_NUMBERS = {name.removeprefix("ACCEPTANCE_OUTCOME_"): number for name, number in AcceptanceOutcome.items()}
_NAMES = {number: name for name, number in OUTCOME_NUMBERS.items()}


def outcome_name(number: int) -> str:
    """Returns the name of an outcome, such as STEP_UP."""
    return _NAMES[number]  # type: ignore[index]
