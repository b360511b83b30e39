"""Where people decide about findings and put other parameters of a rule in force: commands, the API and the console come here."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime

import psycopg
from chuanyu.exchange.v1 import findings_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.domain.aggregate import HubAggregate
from hub.domain.unusual_use.errors import FindingChanged, FindingRuleFloods, FindingUnknown
from hub.domain.unusual_use.finding import Finding, Said, id_of
from hub.domain.unusual_use.rule_book import ADOPTED, RuleHistory, Version, parameter_messages
from hub.findings.reading import find, rule_versions
from hub.findings.simulating import Simulated, simulate
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore

# Who acts at a terminal of the hub or at its console, beside the name of the person.
HUB = "hub.operators"


class FindingDesk:
    """Works on one session and one store; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads the journal and the views."""
        self.connection, self._store = connection, store

    def decide(self, code: str, said: Said, provinces: Iterable[str], at: datetime) -> Finding:
        """Takes what somebody of some provinces decides; raises FindingUnknown, FindingStep, FindingReasonUnknown and FindingChanged."""
        listed, _ = find(self.connection, code, provinces)
        message = protos.FindingDecision(finding_code=listed.code, by=said.by, reason_code=said.reason_code, note=said.note)
        refuse_invalid(message)
        refuse_identifiers(message, "note")
        refuse_identifiers(said.by, "person")
        # From its events, not from the view: of two who decide at once one is refused.
        found = self._store.get(Finding, id_of(listed.rule_code, listed.subject, listed.day))
        if found is None:
            raise FindingUnknown
        found.decide(said, at)
        self._save(found)
        return found

    def adopt(
        self, code: str, parameters: Mapping[str, int], days: tuple[date, date], by: protos.FindingOfficer, at: datetime
    ) -> tuple[Version, Simulated]:
        """Puts other parameters of a rule in force, once they were tried out on past days.

        Raises as `simulate`, FindingRuleFloods and FindingChanged.
        """
        tried = simulate(self.connection, code, parameters, days)
        if tried.floods:
            raise FindingRuleFloods(findings=tried.findings, uses=tried.uses)
        version = tried.tried
        message = protos.FindingRuleAdopted(
            rule_code=version.rule.code, version=version.number, parameters=parameter_messages(version), digest=version.digest, by=by,
            simulated_from=tried.first.isoformat(), simulated_to=tried.last.isoformat(), uses=tried.uses, findings=tried.findings,
        )  # fmt: skip
        refuse_invalid(message)
        refuse_identifiers(by, "person")
        history = self._store.get(RuleHistory, RuleHistory.create_id(version.rule.code))
        if history is None:
            history = RuleHistory.begin(ADOPTED, message, RuleHistory.create_id(version.rule.code), at)
        else:
            history.record(ADOPTED, message, at)
        self._save(history)
        return rule_versions(self.connection)[version.rule.code][-1], tried

    def _save(self, changed: HubAggregate) -> None:
        try:
            self._store.save(changed)
        except IntegrityError:
            raise FindingChanged from None


@contextmanager
def opened(dsn: str, connection: psycopg.Connection) -> Iterator[FindingDesk]:
    """Opens the desk on a session that reads, with a store of its own."""
    with closing(AggregateStore(dsn)) as store:
        yield FindingDesk(connection, store)
