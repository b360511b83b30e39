"""Answers questions given as text, so that a version of the rules can be asked from outside, by a hub of another version.

One JSON object in, one out. What goes in: facts, agreements, question and records as `pack` writes them; what comes out: outcome, reasons,
agreements, and for each rule what it saw and concluded. A version that knows nothing of records does not look at them.
"""

import json
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
    terms: list[dict[str, Any]] = []
    for each in agreements:
        fields = asdict(each)
        terms.append({**fields, **{name: sorted(fields[name]) for name in _SETS}})
    asked = {**question._asdict(), "claims": question.claims.SerializeToString(deterministic=True).hex()}
    refs = asked.pop("refs").SerializeToString(deterministic=True).hex()
    known = {"facts": facts, "agreements": terms, "question": asked, "refs": refs, "records": packed(records)}
    return json.dumps(known, sort_keys=True)


def answer(text: str) -> str:
    """Answers one question by the rules and tables beside this module."""
    asked = json.loads(text)
    facts = [Fact(*fact) for fact in asked["facts"]]
    agreements = Agreements(_terms(fields) for fields in asked["agreements"])
    claims = acceptance_pb2.AcceptanceClaims.FromString(bytes.fromhex(asked["question"].pop("claims")))
    refs = acceptance_pb2.SubjectRefs.FromString(bytes.fromhex(asked.get("refs", "")))
    question = Question(**asked["question"], claims=claims, refs=refs)
    records = unpacked(asked["records"]) if "records" in asked else NOTHING
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


def _terms(fields: dict[str, Any]) -> Terms:
    known = {name: fields[name] for name in Terms.__dataclass_fields__ if name in fields}
    known |= {name: frozenset(known[name]) for name in _SETS}
    known["serving_regions"] = tuple(known["serving_regions"])
    known["suspended"] = tuple(tuple(pause) for pause in known.get("suspended", ()))
    return Terms(**known)
