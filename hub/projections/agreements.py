"""View: the agreements that are active or were, with their terms; decisions read it whole."""

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.journal.reader import Recorded
from hub.projections.engine import Key, Projection, Row


def keys(recorded: Recorded, _: Recorded | None) -> tuple[Key, ...]:
    """Names the agreement's stream."""
    return ((recorded.stream_id,),)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row | None:
    """Keeps the terms: from activation, as amended; an end or a suspension closes them at its instant."""
    event = recorded.event
    if recorded.kind == "agreement_activated":
        activated = event.agreement_activated
        return activated.agreement_code, activated.terms.SerializeToString(deterministic=True), recorded.position
    assert row is not None, "an agreement is activated first"
    if recorded.kind == "agreement_amended":
        return row[0], event.agreement_amended.terms.SerializeToString(deterministic=True), recorded.position
    terms = decisions.AgreementTerms.FromString(row[1])
    end = event.agreement_ended.ended_at if recorded.kind == "agreement_ended" else event.agreement_suspended.from_at
    terms.valid_to.CopyFrom(end)
    return row[0], terms.SerializeToString(deterministic=True), recorded.position


AGREEMENTS = Projection(
    name="agreement",
    key_columns=(("stream_id", "bigint"),),
    value_columns=(("code", "text"), ("terms", "bytea"), ("position", "bigint")),
    kinds=frozenset({"agreement_activated", "agreement_amended", "agreement_suspended", "agreement_ended"}),
    keys=keys,
    evolve=evolve,
    follows_corrections=False,
)
