"""Answers questions given as text, so that a version of the rules can be asked from outside, by a hub of another version.

One JSON object in, one out. What goes in: facts, agreements, question and records as `pack` writes them; what comes out: outcome, reasons,
agreements, and for each rule what it saw and concluded. A version that knows nothing of records does not look at them.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2

from hub.domain import reference
from hub.domain.acceptance import Question, decide, explain
from hub.domain.agreement import Agreements, Terms
from hub.domain.card import Fact
from hub.domain.records.known import NOTHING, Records, packed, unpacked

_SETS = ("scenarios", "issuer_provinces", "serving_provinces", "venues", "media")


def pack(facts: list[Fact], agreements: list[Terms], question: Question, records: Records = NOTHING) -> str:
    """Writes what `answer` reads."""
    terms, rest = pack_agreements(agreements), pack_rest(facts, question, records)
    return f'{{"agreements": {terms}, {rest[1:]}'


def pack_agreements(agreements: Iterable[Terms]) -> str:
    """Writes agreements, as many questions may rest on them."""
    terms: list[dict[str, Any]] = []
    for each in agreements:
        fields = asdict(each)
        terms.append({**fields, **{name: sorted(fields[name]) for name in _SETS}})
    return json.dumps(terms, sort_keys=True)


def pack_rest(facts: list[Fact], question: Question, records: Records = NOTHING) -> str:
    """Writes what belongs to one question."""
    asked = {**question._asdict(), "claims": question.claims.SerializeToString(deterministic=True).hex()}
    del asked["refs"]
    refs = question.refs.SerializeToString(deterministic=True).hex()
    known = {"facts": facts, "question": asked, "refs": refs, **({"records": packed(records)} if records is not NOTHING else {})}
    return json.dumps(known, sort_keys=True)


class Answering:
    """Answers line by line: a line with a list has the agreements for the questions after it, any other a question."""

    def __init__(self) -> None:
        """No agreements yet."""
        self._agreements, self._tables = Agreements(()), reference.load()

    def line(self, text: str) -> str:
        """Returns the answer to a question, "" for a line with agreements."""
        asked = json.loads(text)
        if isinstance(asked, list):
            self._agreements = Agreements(map(_terms, asked))
            return ""
        facts, question, records = _asked(asked)
        return json.dumps(decide(facts, self._agreements, self._tables, question, records))


def answer(text: str) -> str:
    """Answers one question by the rules and tables beside this module."""
    asked = json.loads(text)
    agreements = Agreements(map(_terms, asked["agreements"]))
    facts, question, records = _asked(asked)
    tables = reference.load()
    said = decide(facts, agreements, tables, question, records)
    rules = [
        {
            "rule_id": verdict.rule.rule_id,
            "title_zh": verdict.rule.title_zh,
            "title_en": verdict.rule.title_en,
            "asked": verdict.is_asked,
            "saw": verdict.saw,
            "reason_code": verdict.reason_code,
            "basis": verdict.basis,
        }
        for verdict in explain(facts, agreements, tables, question, records)
    ]
    return json.dumps({**said._asdict(), "rules": rules})


def _asked(asked: dict[str, Any]) -> tuple[list[Fact], Question, Records]:
    claims = acceptance_pb2.AcceptanceClaims.FromString(bytes.fromhex(asked["question"].pop("claims")))
    refs = acceptance_pb2.SubjectRefs.FromString(bytes.fromhex(asked.get("refs", "")))
    question = Question(**asked["question"], claims=claims, refs=refs)
    records = unpacked(asked["records"]) if "records" in asked else NOTHING
    return [Fact(*fact) for fact in asked["facts"]], question, records


def _terms(fields: dict[str, Any]) -> Terms:
    known = {name: fields[name] for name in Terms.__dataclass_fields__ if name in fields}
    known |= {name: frozenset(known[name]) for name in _SETS}
    known["serving_regions"] = tuple(known["serving_regions"])
    known["suspended"] = tuple(tuple(pause) for pause in known.get("suspended", ()))
    return Terms(**known)
