"""FindingService: a province sees the findings that concern it, looks into them, and tries rules out; the look at one is recorded first."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial

import psycopg
from chuanyu.exchange.v1 import finding_service_pb2 as protos
from chuanyu.exchange.v1 import findings_pb2 as events

from hub.api.cards.looks import Looks
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.domain.errors import RequestInvalid
from hub.domain.instants import timestamp
from hub.domain.looks import Look, Shown
from hub.domain.unusual_use.errors import FindingUnknown
from hub.domain.unusual_use.finding import Finding, Said, match_no
from hub.domain.unusual_use.rule_book import Version, parameter_messages
from hub.domain.unusual_use.steps import participant_key
from hub.findings.desk import FindingDesk, opened
from hub.findings.reading import find, rule_versions
from hub.findings.shown import Whole, whole
from hub.findings.simulating import MOST_STEPS, Simulated, simulate
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.reader import head_position
from hub.projections.views.raised_findings import Listed, Tally, Wanted, listed, tallies

MOST = 100


class FindingService:
    """Used from one event loop; close it when done."""

    def __init__(self, dsn: str, looks: Looks) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *looks* is shared with CardService."""
        self._dsn, self._reads, self._looks = dsn, Reads(dsn, "hub_reader", "hub-findings"), looks

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.FindingService",
            {
                "ListFindings": unary(gate, reader(protos.ListFindingsRequest), self.list),
                "GetFinding": unary(gate, reader(protos.GetFindingRequest), self.get),
                "ReviewFinding": unary(gate, reader(protos.ReviewFindingRequest), self.review),
                "ListFindingRules": unary(gate, reader(protos.ListFindingRulesRequest), self.rules),
                "SimulateRule": unary(gate, reader(protos.SimulateRuleRequest), self.simulate),
            },
        )

    async def list(self, request: protos.ListFindingsRequest, caller: Caller) -> protos.ListFindingsResponse:
        """Lists findings that concern the caller's province; raises RequestInvalid."""
        refuse_invalid(request)
        state = protos.FindingState.Name(request.state).removeprefix("FINDING_STATE_") if request.state else ""
        own, most = participant_key(caller.urn), request.page_size or MOST
        wanted = Wanted(state, request.rule_code, (caller.province,), request.before_position, most, own)

        def found(connection: psycopg.Connection) -> protos.ListFindingsResponse:
            position = head_position(connection)
            seen = [finding_message(one) for one in listed(connection, wanted)]
            return protos.ListFindingsResponse(findings=seen, as_of_position=position)

        return await self._reads.read(caller.urn, found)  # type: ignore[no-any-return]

    async def get(self, request: protos.GetFindingRequest, caller: Caller) -> protos.GetFindingResponse:
        """Shows one with its evidence; raises RequestInvalid, FindingUnknown and NotRecorded."""
        refuse_invalid(request, "purpose_code")
        found: Whole = await self._reads.read(caller.urn, whole, request.finding_code, (caller.province,))
        _refuse_own(found.listed, caller)
        look = Look(found.finding.card, Shown.SHOWN_RECORD_FINDINGS, request.purpose_code, found.position, found.listed.position)
        await self._looks.record(caller, look)
        return whole_message(found, caller.rights.issues)

    async def review(self, request: protos.ReviewFindingRequest, caller: Caller) -> protos.ReviewFindingResponse:
        """Takes what somebody decides; raises RequestInvalid and as `FindingDesk.decide`."""
        refuse_invalid(request, "note")
        refuse_identifiers(request, "person")
        by = events.FindingOfficer(participant=caller.urn, person=request.person)
        said = Said(request.step, by, request.reason_code, request.note)

        def decide(desk: FindingDesk) -> Finding:
            return desk.decide(request.finding_code, said, (caller.province,), datetime.now(UTC))

        _refuse_own((await self._reads.read(caller.urn, find, request.finding_code, (caller.province,)))[0], caller)
        decided = await self._reads.decide(caller.urn, partial(opened, self._dsn), decide)
        row, _ = await self._reads.read(caller.urn, find, request.finding_code, (caller.province,))
        return protos.ReviewFindingResponse(finding=finding_message(row._replace(state=decided.state, reason_code=decided.reason_code)))

    async def rules(self, _: protos.ListFindingRulesRequest, caller: Caller) -> protos.ListFindingRulesResponse:
        """Lists the rules in force, with what became of the findings of each version."""

        def found(connection: psycopg.Connection) -> protos.ListFindingRulesResponse:
            counted = tallies(connection, (caller.province,), participant_key(caller.urn))
            in_force = rule_versions(connection)
            return protos.ListFindingRulesResponse(rules=[rule_message(some[-1], counted.get(code, [])) for code, some in in_force.items()])

        return await self._reads.read(caller.urn, found)  # type: ignore[no-any-return]

    async def simulate(self, request: protos.SimulateRuleRequest, caller: Caller) -> protos.SimulateRuleResponse:
        """Tries a rule out on past days; raises RequestInvalid and as `simulate`."""
        refuse_invalid(request)
        days = _day("first_day", request.first_day), _day("last_day", request.last_day)
        parameters = {one.name: one.value for one in request.parameters}

        def tried(connection: psycopg.Connection) -> protos.SimulateRuleResponse:
            # What is found about the caller itself it does not see in a count either.
            found = simulate(connection, request.rule_code, parameters, days, MOST_STEPS, participant_key(caller.urn))
            return simulated_message(found, head_position(connection))

        return await self._reads.read(caller.urn, tried)  # type: ignore[no-any-return]


def _refuse_own(one: Listed, caller: Caller) -> None:
    """Raises FindingUnknown where a finding is about the caller itself: nobody decides about himself."""
    if one.subject == participant_key(caller.urn):
        raise FindingUnknown


def finding_message(one: Listed) -> protos.RaisedFinding:
    """Returns a finding of the list."""
    return protos.RaisedFinding(
        finding_code=one.code, rule_code=one.rule_code, rule_version=one.rule_version, day=one.day,
        state=protos.FindingState.Value(f"FINDING_STATE_{one.state}"), provinces=one.provinces.split(),
        evidence_count=one.evidence_count, measured=one.measured, reason_code=one.reason_code, position=one.position,
    )  # fmt: skip


def whole_message(found: Whole, issues: Callable[[str], bool]) -> protos.GetFindingResponse:
    """Returns a finding with its evidence; the card is for who issued it."""
    card = found.finding.card
    is_theirs = card is not None and issues(card.issuing_province)
    return protos.GetFindingResponse(
        finding=finding_message(found.listed),
        card=card if is_theirs else None,
        match_no=match_no(found.listed.subject),
        evidence=[
            protos.EvidenceEvent(
                position=one.position, kind=one.kind, occurred_at=timestamp(one.occurred_us), service_region=one.region,
                scenario=one.scenario, in_force=one.is_in_force,
            )
            for one in found.evidence
        ],
        steps=[
            protos.FindingStepTaken(kind=one.kind, at=timestamp(one.at_us), person=one.person, reason_code=one.reason_code, note=one.note)
            for one in found.steps
        ],
        as_of_position=found.position,
    )  # fmt: skip


def rule_message(version: Version, counted: list[Tally]) -> protos.FindingRule:
    """Returns a rule with what became of its findings."""
    rule = version.rule
    return protos.FindingRule(
        rule_code=rule.code, version=version.number, parameters=parameter_messages(version), name_zh=rule.name[0], name_en=rule.name[1],
        heeds_opt_out=rule.heeds_opt_out, tallies=[protos.FindingTally(**one._asdict()) for one in counted],
    )  # fmt: skip


def simulated_message(found: Simulated, position: int) -> protos.SimulateRuleResponse:
    """Returns what a rule found."""
    return protos.SimulateRuleResponse(
        parameters=parameter_messages(found.tried), uses=found.uses, findings=found.findings, findings_in_force=found.findings_in_force,
        findings_of_both=found.both, opted_out=found.opted_out, floods=found.floods, as_of_position=position,
    )  # fmt: skip


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestInvalid([(field, "impossible_date")]) from None
