"""Service points of both provinces asking about each other's cards while the demo runs."""

import random
import threading
import time
from collections import Counter, deque
from datetime import datetime
from itertools import cycle
from typing import Any, Self

import grpc
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, references_pb2

from adapters.simulator.events import local_start
from adapters.simulator.traffic import Traffic
from hub.domain.acceptance import USES
from hub.stage import CARD_CENTRES
from hub.trust.authority import CertificateFiles
from hub.words.outcomes import outcome_name

# Where each side asks, for what and by which medium: (scenario, region, medium).
_PLACES = {
    "51": [
        ("TRA.MET", "510100", "CONTACTLESS"),
        ("CUL.LIB.BRW", "510300", "ECARD_QR"),
        ("MED.OP", "510700", "CONTACT"),
        ("TOU.GATE", "511800", "CONTACT"),
    ],
    "50": [
        ("TRA.BUS", "500103", "CONTACTLESS"),
        ("CUL.LIB.RET", "500106", "CONTACT"),
        ("MED.RX", "500107", "CONTACT"),
        ("GOV.ID", "500157", "FACE"),
    ],
}
# What the demo suggests to try first, of a Chongqing card.
FIRST_TRY = ("TRA.MET", "510100", "CONTACTLESS")
PAUSE_S = 0.05
# How many cards are asked about in turn until one is accepted.
CANDIDATES = 20


class Questions:
    """Asks in a thread of its own; keeps counts by outcome and the latest answers.

    *suggestion* is a card that FIRST_TRY was accepted for, "" until there is one; *twice* what came of a code that was shown twice.
    """

    def __init__(self, target: str, certificates: dict[str, CertificateFiles], seed: int, begin: datetime, events: int) -> None:
        """Cards are those of the simulated world."""
        world = Traffic(seed, local_start(begin), events).world
        self._cards = {province: [card.card_no for card in cards] for province, cards in world.cards.items()}
        self._candidates = cycle([card.card_no for card in world.cards["50"] if card.transit_no and not card.is_temporary][:CANDIDATES])
        self._first = next(self._candidates, self._cards["50"][0])
        self._target, self._certificates = target, certificates
        self._random = random.Random(seed)  # noqa: S311 (a demo's choice of questions)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="questions")
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.latest: deque[str] = deque(maxlen=6)
        self.suggestion = self.twice = ""
        elders = [card.card_no for card in world.cards["50"] if card.transit_no and card.holder.age_group == "elder"]
        self._elder = elders[0] if elders else self._first

    @property
    def a_card_each(self) -> dict[str, str]:
        """A card number of each province's, the Chongqing one being the first that FIRST_TRY is asked with, and one of an elder."""
        return {"51": self._cards["51"][0], "50": self._first, "elder": self._elder}

    def __enter__(self) -> Self:
        """Begins to ask."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops asking."""
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        stubs = {}
        for side, name in CARD_CENTRES.items():
            files = self._certificates[name]
            stubs[side] = card_service_pb2_grpc.CardServiceStub(files.channel(self._target))
        number = 0
        while not self._stop.wait(PAUSE_S):
            if not self.suggestion:
                number += 1
                self._find_suggestion(stubs["51"], number)
            for side, stub in stubs.items():
                number += 1
                issuer = "50" if side == "51" else "51"
                card_no, place = self._random.choice(self._cards[issuer]), self._random.choice(_PLACES[side])
                is_used = self._ask_one(stub, number, issuer, card_no, place) in USES and place[2].startswith("ECARD")
                if is_used and not self.twice:
                    outcome = self._ask_one(stub, number + 1, issuer, card_no, place, f"demo-{number}")
                    self.twice, number = f"{outcome}  {self.latest[-1]}", number + 1

    def _find_suggestion(self, stub: Any, number: int) -> None:
        card_no = next(self._candidates, "")
        if card_no and self._ask_one(stub, number, "50", card_no, FIRST_TRY) == "ACCEPT":
            self.suggestion = card_no

    def _ask_one(self, stub: Any, number: int, issuer: str, card_no: str, place: tuple[str, str, str], token: str = "") -> str:
        """Asks once and returns the outcome; an e-card shows *token*, a new one if it is empty."""
        scenario, region, medium = place
        request = card_service_pb2.CheckAcceptanceRequest(
            request_id=f"demo-{time.time_ns()}-{number}",
            scenario=scenario,
            service_region=region,
            medium=acceptance_pb2.Medium.Value(f"MEDIUM_{medium}"),
        )
        request.card.issuing_province, request.card.clear = issuer, card_no
        request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
        if medium.startswith("ECARD"):
            request.claims.ecard_token = acceptance_pb2.ECARD_TOKEN_VALID
            request.subject_refs.token.clear = token or f"demo-{number}"
        try:
            answer = stub.CheckAcceptance(request, timeout=5)
        except grpc.RpcError as refusal:
            outcome = f"refused {refusal.code().name}"
            self.outcomes[outcome] += 1
            return outcome
        outcome = outcome_name(answer.outcome)
        self.outcomes[outcome] += 1
        self.reasons.update(reason.code for reason in answer.reasons)
        why = "；".join(f"{reason.code} {reason.text_zh}" for reason in answer.reasons) or "—"
        arrow = "渝卡→川" if issuer == "50" else "川卡→渝"
        self.latest.append(
            f"{arrow}  {card_no[0]}****{card_no[-4:]}  {scenario:<12} {region} {medium:<12} {outcome:<13} #{answer.position}  {why}"
        )
        return outcome
