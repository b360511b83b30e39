"""What the demo shows once each: with the first accepted card, when a case has come back, and when the traffic has ended."""

from pathlib import Path

from rich.console import Console

from hub.demo.audit import show_audit
from hub.demo.cases import CaseThereAndBack
from hub.demo.findings import show_findings
from hub.demo.funds import show_funds
from hub.demo.indicators import show_indicators
from hub.demo.items import show_items
from hub.demo.ledgers import show_ledgers
from hub.demo.meeting import show_meeting
from hub.demo.panels import ALWAYS, alive
from hub.demo.questions import Questions
from hub.demo.reconciliation import show_reconciliation
from hub.demo.screen import Picture, suggest
from hub.demo.small import SmallParticipants, show
from hub.demo.statements import show_statements
from hub.stage import Stage
from hub.trust.authority import CertificateFiles


class Program:
    """Keeps what was shown, and in *problems* what did not hold; *has_ended* once nothing is left to show."""

    def __init__(
        self,
        stage: Stage,
        screen: Console,
        picture: Picture,
        dsn: str,
        data_dir: Path,
        certificates: dict[str, CertificateFiles],
        questions: Questions,
    ) -> None:
        """Shows nothing yet."""
        self._stage, self._screen, self.picture, self._dsn, self._data_dir = stage, screen, picture, dsn, data_dir
        self._certificates, self.questions = certificates, questions
        self.small = SmallParticipants(picture.target, dsn, data_dir, questions.a_card_each)
        self.case = CaseThereAndBack(stage, screen, picture.target, certificates)
        self.problems: list[str] = []
        self.panels: dict[str, bool] = {}
        self._has_begun = self._was_told_twice = self.has_ended = False

    def go_on(self) -> None:
        """Shows what is due; called again and again. Raises ChildDied."""
        if self.questions.suggestion:
            self._begin(self.questions.suggestion)
        if self.questions.twice and not self._was_told_twice:
            self._was_told_twice = True
            self._screen.print(f"同一码再次出示 the same code shown again: {self.questions.twice}", soft_wrap=True, highlight=False)
        self.problems += self.case.look()

    def end(self) -> None:
        """Shows what is left: the traffic has ended, and the views have all of it. Raises ChildDied."""
        self._begin("")
        if self.has_ended:
            return
        self.has_ended = True
        show_ledgers(self._stage, self._screen, self._dsn)
        self.problems += self.case.look(at_once=True)
        self.problems += show_statements(self._stage, self._screen) + show_reconciliation(self._stage, self._screen)
        self.problems += show_findings(self._stage, self._screen)
        self.problems += show_indicators(self._stage, self._screen) + show_meeting(self._stage, self._screen)
        self.problems += show_audit(self._stage, self._screen)
        self._show_panels()

    def _show_panels(self) -> None:
        """Says which panels of the console's overview have something to show."""
        try:
            self.panels = alive(self._dsn, self.picture.console)
        except OSError as error:
            self.problems.append(f"console: {error}")
            return
        said = "，".join(f"{panel} {'✓' if shows else '—'}" for panel, shows in self.panels.items())
        self._screen.print(f"控制台各面板 panels of the console: {said}", soft_wrap=True, highlight=False)
        self.problems += [f"console: panel {panel} shows nothing" for panel in ALWAYS if not self.panels[panel]]

    def _begin(self, card_no: str) -> None:
        """Shows what is done with a card that is accepted, "" where none was, and a batch of payments, while the traffic goes on."""
        if self._has_begun:
            return
        self._has_begun = True
        if card_no:
            suggest(self._screen, self.picture, card_no)
            self.problems += show_items(self._screen, self.picture.target, self._certificates, card_no)
        show(self._screen, self.small.play())
        self.problems += self.small.problems
        self.problems += show_funds(self._stage, self._screen, self.picture.target, self._dsn, self._data_dir, self.picture.fund_batch)
