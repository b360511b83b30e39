"""The demo's case: one that was filed in Chengdu, decided in Chongqing and handed over in Chengdu, as `hub cases` shows it."""

import time

import grpc
from chuanyu.exchange.v1 import case_service_pb2 as protos
from chuanyu.exchange.v1 import case_service_pb2_grpc
from rich.console import Console

from hub.demo.screen import show_command
from hub.stage import CARD_CENTRES, Stage
from hub.trust.authority import CertificateFiles

DEADLINE_S = 10.0
LOOK_EVERY_S = 2.0
# Filed in Sichuan, decided in Chongqing, and back again.
_BACK = protos.CaseFilter(handling_province="51", deciding_province="50", states=[protos.CASE_STATE_DELIVERED, protos.CASE_STATE_RATED])


class CaseThereAndBack:
    """Looks for such a case until there is one, and shows it once."""

    def __init__(self, stage: Stage, screen: Console, target: str, certificates: dict[str, CertificateFiles]) -> None:
        """Asks as Sichuan's card centre."""
        self._stage, self._screen, self._target = stage, screen, target
        self._files = certificates[CARD_CENTRES["51"]]
        self._look_at = 0.0
        self.shown = ""

    def look(self, *, at_once: bool = False) -> list[str]:
        """Asks, unless it did a moment ago, and shows what it finds; returns what went wrong. Raises ChildDied."""
        if self.shown or (not at_once and time.monotonic() < self._look_at):
            return []
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            with self._files.channel(self._target) as channel:
                service = case_service_pb2_grpc.CaseServiceStub(channel)
                found = service.ListCases(protos.ListCasesRequest(filter=_BACK, page_size=1), timeout=DEADLINE_S).records
        except grpc.RpcError as refusal:
            return [f"cases: {refusal.code().name}"]
        if found:
            self.shown = found[0].key.case_no
            self._show(found[0].key)
        return []

    def _show(self, key: protos.CaseKey) -> None:
        title = "办件由成都到重庆再回来 a case from Chengdu to Chongqing and back"
        show_command(self._stage, self._screen, title, "cases", "show", key.handling_province, key.case_no)
