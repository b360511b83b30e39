"""The console beside a full journal with events flowing in: how long pages and refreshes take, and what fifty tabs take from ingest.

Tabs are real requests over HTTP, each with a session of its own; a tab polls as a browser does. What a look leaves behind when the console
is killed is in `hub.bench.console_kills`.
"""

import contextlib
import gzip
import http.client
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import psutil

from hub.admin.accounts.accounts import put_account
from hub.admin.accounts.roles import AUDITOR, OPERATOR, POLICY, PROVINCES
from hub.admin.accounts.sessions import make_link
from hub.bench.check import recorded_calls, register_cards
from hub.bench.filling import FEEDS, fill
from hub.bench.ingest import FEEDS as LOADED
from hub.bench.ingest import run_hub
from hub.bench.load import Load, Order
from hub.bench.setup import STOP_S, Ground, HubProcess, backend_cpu_s, ground, hub_process, projector
from hub.child import Child, python
from hub.config import Config
from hub.console.rendering import STATIC
from hub.journal.sessions import session
from hub.monitoring import vitals

CARDS_FEED = "bench.cards"
TABS, EVERY_S = 50, 2.0
SMALL_BATCH, TURNS, TURN_BATCHES = 50, 3, 60
CATCH_UP_S = 240.0
PAGES = (
    "/", "/feeds", "/feeds/cq.usage", "/participants", "/quarantine", "/decisions", "/decisions/{decision}", "/terms", "/rules", "/items",
    "/cases", "/losses", "/flows", "/regions/510100", "/known?known={half}", "/views", "/traces", "/audit/health",
)  # fmt: skip
# Of accounts and sessions, of pages, and of looks.
SESSIONS = ("hub-console-rows", "hub-console", "hub-console-looks")

Report = Callable[[str], None]


class Answer(NamedTuple):
    """What a request got: its status, how long it took, the bytes that came, and the tag of what they say."""

    status: int
    ms: float
    size: int
    tag: str
    body: bytes


class Tab:
    """A browser's tab: one connection that stays open, and the cookie of a session."""

    def __init__(self, address: str, secret: str) -> None:
        """Signs in by a link."""
        self._address = address
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._connection.request("POST", f"/enter/{secret}", headers={"Sec-Fetch-Site": "same-origin"})
        response = self._connection.getresponse()
        response.read()
        self._cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]

    def get(self, path: str, **headers: str) -> Answer:
        """Asks for a page."""
        began = time.perf_counter()
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        all_said = {"Cookie": self._cookie, "Accept-Encoding": "gzip", **said}
        try:
            self._connection.request("GET", path, headers=all_said)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # The server ends connections that were idle for a while; a browser opens another.
            self._connection.close()
            self._connection.request("GET", path, headers=all_said)
            response = self._connection.getresponse()
        body = response.read()
        took_ms = (time.perf_counter() - began) * 1e3
        return Answer(response.status, took_ms, len(body), (response.getheader("ETag") or "").strip('"'), body)

    def post(self, path: str, fields: str) -> int:
        """Sends a form with the token of the session, and returns the status."""
        page = self.get("/me").body
        token = gzip.decompress(page).decode().partition('name="token" value="')[2].partition('"')[0]
        form = {"Cookie": self._cookie, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", path, body=f"token={token}&{fields}", headers=form)
        response = self._connection.getresponse()
        response.read()
        return response.status


class Console(NamedTuple):
    """The console's process and where it listens."""

    place: Ground
    address: str
    process: psutil.Process

    def tab(self, name: str) -> Tab:
        """Opens a tab of an account of its own."""
        with session(self.place.dsn, "hub_console", "hub-bench") as connection:
            put_account(connection, name, name, (AUDITOR, OPERATOR, POLICY), PROVINCES)
            return Tab(self.address, make_link(connection, name))

    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds of the console so far, and of the database's processes for it."""
        times = self.process.cpu_times()
        return times.user + times.system, sum(backend_cpu_s(self.place.dsn, name) for name in SESSIONS)


@contextlib.contextmanager
def console_process(place: Ground) -> Iterator[Console]:
    """Runs `hub console`."""
    child = Child(python("hub.cli", "console", "--listen", "127.0.0.1:0"), place.environment)
    try:
        yield Console(place, child.first_line().split()[-1].removeprefix("http://"), psutil.Process(child.pid))
    finally:
        child.stop(STOP_S)


def measure(config: Config, events: int, rate: int, seconds: float, kills: int, report: Report) -> dict[str, Any]:
    """Returns what was measured; *rate* events a second flow in meanwhile."""
    with ground(config, [CARDS_FEED, *FEEDS, *LOADED]) as place, hub_process(place) as edge, projector(place):
        register_cards(place, edge, CARDS_FEED)
        recorded_calls(place, edge, 1, 2.0)
        fill(place, events, report)
        _wait(place, report)
        with vitals.connect(place.dsn) as connection:
            found = connection.execute("SELECT max(position) FROM journal.event WHERE kind = 'decision_made'").fetchone()
        decision = int(found[0]) if found is not None else 0
        with console_process(place) as console:
            tab = console.tab("bench")
            tab.post("/purpose", f"handle=decision-{decision}&purpose=AUDIT&back=/decisions")
            flow = _Flow(place, edge, rate)
            with flow.during(seconds):
                pages = _pages(tab, decision, events // 2, seconds)
            report(f"pages {pages['p95_ms']}")
            tabs = [console.tab(f"tab-{number}") for number in range(TABS)]
            with flow.during(2 * seconds):
                alone, refreshes = (_refreshes(console, some, seconds) for some in (tabs[:1], tabs))
            report(f"refreshes: of one tab {alone}, of all {refreshes}")
            ingest = _ingest(place, edge, tabs, flow.next_sequence, report)
        killed = _killed(place, decision, kills)
    static = sum((STATIC / name).stat().st_size for name in ("htmx.min.js", "console.js", "console.css"))
    result = {"bench": "console", "events": events, "events_per_s": rate, "tabs": TABS, **pages, **ingest}
    result |= {"refresh_of_one_tab": alone, "refresh": refreshes}
    return {**result, "script_and_style_bytes": static, "kills": killed}


class _Flow:
    """Events that flow in through the hub at a fixed rate, each time for a while."""

    def __init__(self, place: Ground, edge: HubProcess, rate: int) -> None:
        self._place, self._edge, self._rate, self.next_sequence = place, edge, rate, 1

    @contextlib.contextmanager
    def during(self, seconds: float) -> Iterator[None]:
        """Lets them flow, and waits for the last."""
        batches = max(1, int(self._rate * seconds) // (SMALL_BATCH * len(LOADED)))
        certificates, firsts = self._place.data_dir / "certificates", (self.next_sequence,) * len(LOADED)
        load = Load(Order((self._edge.target,), certificates, LOADED, firsts, batches, self._rate, SMALL_BATCH))
        load.start()
        yield
        load.result()
        self.next_sequence += batches * SMALL_BATCH


def _wait(place: Ground, report: Report) -> None:
    """Waits until the views have caught up: late views are another measurement."""
    deadline = time.monotonic() + CATCH_UP_S
    with vitals.connect(place.dsn) as connection:
        while behind := max(view.lag_events for view in vitals.read_views(connection)):
            if time.monotonic() > deadline:
                report(f"the views are {behind:,} events behind, and are left behind")
                return
            time.sleep(0.5)


def _pages(tab: Tab, decision: int, half: int, seconds: float) -> dict[str, Any]:
    """Asks for each page in turn, again and again."""
    took: dict[str, list[float]] = {page: [] for page in PAGES}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for page, known in took.items():
            answer = tab.get(page.format(decision=decision, half=half))
            if answer.status != 200:
                raise RuntimeError(f"{page}: {answer.status}")
            known.append(answer.ms)
    return {
        "requests_a_page": min(len(known) for known in took.values()),
        "p95_ms": {page: round(percentile(known, 95), 1) for page, known in took.items()},
        "all_pages_p95_ms": round(percentile([ms for known in took.values() for ms in known], 95), 1),
    }


def _refreshes(console: Console, tabs: Sequence[Tab], seconds: float) -> dict[str, Any]:
    """Has all tabs refresh the overview, as they do while they are seen."""
    before, clients = console.cpu_s(), time.process_time()
    answers = [answer for mine in _polling(tabs, seconds) for answer in mine]
    own, database = (after - one for after, one in zip(console.cpu_s(), before, strict=True))
    clients = time.process_time() - clients
    took, sizes = [one.ms for one in answers], [one.size for one in answers if one.status == 200]
    return {
        "requests": len(answers),
        "not_modified": sum(one.status == 304 for one in answers),
        "failed": sum(one.status not in (200, 304) for one in answers),
        "p50_ms": round(percentile(took, 50), 1),
        "p95_ms": round(percentile(took, 95), 1),
        "p99_ms": round(percentile(took, 99), 1),
        "bytes": round(statistics.median(sizes)) if sizes else 0,
        "console_cpu_ms_a_second": round(own / seconds * 1e3, 1),
        "database_cpu_ms_a_second": round(database / seconds * 1e3, 1),
        "tabs_cpu_ms_a_second": round(clients / seconds * 1e3, 1),
    }


def _polling(tabs: Sequence[Tab], seconds: float, path: str = "/") -> list[list[Answer]]:
    found: list[list[Answer]] = [[] for _ in tabs]

    def poll(number: int) -> None:
        began, tag = time.monotonic() + EVERY_S * number / len(tabs), ""
        while (wait := began + EVERY_S * len(found[number]) - time.monotonic()) < seconds and time.monotonic() < deadline:
            time.sleep(max(0.0, wait))
            answer = tabs[number].get(path, HX_Request="true", If_None_Match=f'"{tag}"')
            tag = answer.tag or tag
            found[number].append(answer)

    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=poll, args=(number,)) for number in range(len(tabs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _ingest(place: Ground, edge: HubProcess, tabs: Sequence[Tab], next_sequence: int, report: Report) -> dict[str, Any]:
    """Loads the hub as fast as it takes events, in turns without tabs and with all of them."""
    alone: list[float] = []
    beside: list[float] = []
    for number in range(TURNS):
        # Now the one first, now the other: the first of a pair has fewer events of the run before it still to be folded.
        for has_tabs, rates in ((False, alone), (True, beside))[:: 1 - 2 * (number % 2)]:
            ending = threading.Event()
            polling = threading.Thread(target=_poll_until, args=(tabs, ending)) if has_tabs else None
            if polling is not None:
                polling.start()
            run = run_hub(place, (edge,), next_sequence, TURN_BATCHES)
            next_sequence = run.next_sequence
            ending.set()
            if polling is not None:
                polling.join()
            rates.append(run.rate)
        report(f"{number + 1}/{TURNS}: {alone[-1]:,.0f} events/s without tabs, {beside[-1]:,.0f} with {len(tabs)}")
    ratios = [one / other for one, other in zip(beside, alone, strict=True)]
    return {
        "ingest_events_per_s": round(statistics.median(alone)),
        "ingest_ratios_beside_tabs": [round(one, 3) for one in ratios],
        "ingest_ratio_beside_tabs": round(statistics.median(ratios), 3),
    }


def _poll_until(tabs: Sequence[Tab], ending: threading.Event) -> None:
    while not ending.is_set():
        _polling(tabs, EVERY_S)


def _killed(place: Ground, decision: int, kills: int) -> dict[str, Any]:
    """Kills consoles at work, in a process of its own that has no threads."""
    command = python("hub.bench.console_kills", place.dsn, str(place.data_dir), str(decision), str(kills))
    child = Child(command, place.environment, stderr=subprocess.DEVNULL)
    try:
        return json.loads(child.first_line(30.0 + kills)) if kills else {}
    finally:
        child.stop(STOP_S)


def percentile(values: Sequence[float], percent: int) -> float:
    """Returns the value that so many of a hundred do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
