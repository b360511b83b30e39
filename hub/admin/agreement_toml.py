"""Reads the terms of an agreement from a TOML file as a policy officer writes it; every problem names its field.

A day means its first moment, so `valid_to` is the first day on which the terms hold no more.
"""

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.admin.message_toml import fill, read_toml
from hub.domain.errors import RequestInvalid

_REQUIRED = ("scenarios", "issuer_provinces", "serving_provinces", "concession", "settlement", "legal_basis", "valid_from")


def read_terms(content: bytes) -> tuple[str, decisions.AgreementTerms]:
    """Returns the code, empty if the file names none, and the terms; raises RequestInvalid with every problem."""
    table = read_toml(content)
    code, terms = table.pop("code", ""), decisions.AgreementTerms()
    if not isinstance(code, str):
        raise RequestInvalid([("code", "value")])
    fill(terms, table, *_REQUIRED)
    return code, terms
