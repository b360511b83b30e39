"""Does the steps of a trial one after the other and writes a line of results for each; feeds go through the kit's outbox and sender."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from adapters.conformance.questions import ask, read_hotlist, report_totals, subscribe
from adapters.kit import FeedSender, FeedStopped, HubConnection, Outbox, mutual_tls, open_batch_keys
from adapters.kit.kept import Kept

_SIGNATURE = "signature "
Step = dict[str, Any]


class ConformanceClient:
    """One client in one trial; each step is a method, found by its name."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Reads what it is given; dials nothing yet."""
        given = {name.removeprefix("CONFORMANCE_").lower(): text for name, text in environment.items() if name.startswith("CONFORMANCE_")}
        self.instructions = json.loads(Path(given["instructions"]).read_text(encoding="utf-8"))
        self._results, self.state = Path(given["results"]), Path(given["state"])
        self._targets, self._authority = given["targets"].split(","), Path(given["ca"])
        self.outbox = Outbox(self.state / "outbox.sqlite")
        self.connection = self._connect(Path(given["certificate"]), Path(given["key"]))
        self._senders: dict[str, tuple[FeedSender, asyncio.Task[None]]] = {}

    def _connect(self, certificate: Path, key: Path) -> HubConnection:
        return HubConnection(self._targets, mutual_tls(self._authority, certificate, key))

    async def run(self) -> None:
        """Does every step, in order."""
        steps: dict[str, Callable[[Step], Awaitable[dict[str, Any]]]] = {
            "send": self.send,
            "ask": self.ask,
            "subscribe": self.subscribe,
            "totals": self.totals,
            "hotlist": self.hotlist,
            "use_certificate": self.use_certificate,
        }
        try:
            for number, step in enumerate(self.instructions["steps"], 1):
                self.report({"step": number, **await steps[step["do"]](step)})
        finally:
            await self.close()

    def report(self, line: dict[str, Any]) -> None:
        """Adds a line to the results."""
        with self._results.open("a", encoding="utf-8") as results:
            results.write(json.dumps(line, ensure_ascii=False) + "\n")

    async def send(self, step: Step) -> dict[str, Any]:
        """Puts events into the outbox, under the keys that they were given with, and waits until the hub has them."""
        sender = self._sender(step["feed"])
        items = [(event["key"], base64.b64decode(event["bytes"])) for event in step["events"]]
        numbered = await sender.put(items)
        last = numbered[-1][0]
        try:
            await sender.wait_acknowledged(last)
        except FeedStopped as stopped:
            return {"stopped": str(stopped), "receipts": self._receipts(step["feed"])}
        quarantined = await sender.quarantined(number for number, _ in numbered)
        return {"acknowledged": last, "quarantined": sorted(quarantined), "receipts": self._receipts(step["feed"])}

    def _sender(self, feed: str) -> FeedSender:
        if feed not in self._senders:
            sender = FeedSender(self.outbox, self.connection, feed, keys=open_batch_keys(self.state / "keys"))
            self._senders[feed] = sender, asyncio.create_task(sender.run())
        return self._senders[feed][0]

    def _receipts(self, feed: str) -> list[dict[str, str]]:
        with contextlib.closing(Kept(self.state / "outbox.sqlite")) as kept:
            parts = [document.rstrip("\n").rpartition(_SIGNATURE) for document in kept.receipts([feed])]
        return [{"text": text, "signature": base64.b64encode(bytes.fromhex(digits)).decode()} for text, _, digits in parts]

    async def ask(self, step: Step) -> dict[str, Any]:
        """Asks a question until it is answered."""
        return await ask(self.connection, base64.b64decode(step["question"]["bytes"]))

    async def subscribe(self, step: Step) -> dict[str, Any]:
        """Takes so many events, from a position on."""
        return await subscribe(self.connection, step["from_position"], step["kinds"], step["events"])

    async def totals(self, step: Step) -> dict[str, Any]:
        """Reports totals until they are answered."""
        return await report_totals(self.connection, base64.b64decode(step["totals"]["bytes"]))

    async def hotlist(self, step: Step) -> dict[str, Any]:
        """Takes the newest list and answers for some cards."""
        return await read_hotlist(self.connection, bytes.fromhex(step["public_key"]), step["cards"])

    async def use_certificate(self, step: Step) -> dict[str, Any]:
        """Connects with another certificate from now on."""
        await self._stop_senders()
        await self.connection.close()
        self.connection = self._connect(Path(step["certificate"]), Path(step["key"]))
        return {"certificate": step["certificate"]}

    async def _stop_senders(self) -> None:
        senders, self._senders = self._senders, {}
        for _, task in senders.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in senders.values()), return_exceptions=True)

    async def close(self) -> None:
        """Stops what is at work and closes what is open."""
        await self._stop_senders()
        await self.connection.close()
        self.outbox.close()
