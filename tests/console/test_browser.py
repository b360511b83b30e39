"""The console in a real Chromium: what it loads, what a screen reader gets; on a phone, without script, and while it refreshes.

`HUB_TEST_PICTURES=FOLDER` keeps a picture of every page, in both languages, light and dark, wide and narrow: `make pictures`.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from hub.admin.accounts.accounts import put_account
from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, OPERATOR, POLICY, PROVINCES
from hub.admin.accounts.sessions import make_link
from hub.child import Child, python
from hub.console.entries import ENTRIES
from hub.domain.instants import SECOND_US, in_local
from hub.domain.settlement.statement import Statement
from hub.journal.sessions import session
from tests.console.conftest import HOLDERS_CARD, LOST_CARD, NOW_S, Scene
from tests.console.provider import CLIENT, SECRET
from tests.hub_process import environment
from tests.seeds import one_in

# Debian's Chromium without its windows draws the same pages for half the CPU; where it is not installed, the whole browser draws them.
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
AXE = (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PICTURES = os.environ.get("HUB_TEST_PICTURES", "")
# A browser opens six connections.
REFRESHES, TABS = 10, 7
# The walks to the answers are made in so many parts, of which `make test` makes one.
WALKS = 4
# How those see colours who see some of them, or none, alike; and how grey print looks.
SIGHTS = ("deuteranopia", "protanopia", "achromatopsia")
SHOWN_TO_ALL = {"overview": "/", "decision": "/decisions/{refused}"}
# Of the answers to questions, beside the words of docs/console.md.
READING = {"width": 1100, "height": 720}
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Each is made in its own way; the others are one table or two, and `make pictures` puts them to axe as well.
DIFFERENT = (
    "/", "/known?known={refused}", "/feeds/cq.card-center", "/quarantine", "/quarantine/{quarantined}", "/find", "/decisions/{refused}",
    "{card}", "{holder}/medical", "{holder}/culture", "{holder}/documents", "/medical?number=CONSOLE-S1", "{statement}", "{broken}",
    "/journal/{quarantined}", "/terms", "/terms/ORD-TRANSIT/1", "/flows", "/items?q=社保卡", "/items/TB031", "/me", "/no/such/page",
    "/audit/requests", "/audit/requests/ask?kind=rules", "{audit}", "{audit}/outcome", "/funds/50/CONSOLE-F1", "{meeting}",
    "/indicators/K10?by=scenario,outcome", "/indicators/reports/IR-K10-1", "{finding}",
)  # fmt: skip
ALIKE = (
    "/feeds", "/participants", "/participants/cq.card-center", "/decisions", "/losses", "/hotlist", "/rules", "/reference",
    "/regions/510100", "{card}/units", "{card}/journeys", "{card}/coupons",
    "{statement}/1", "/reference/media", "/cases", "/cases/51/CONSOLE-N1",
    "/views", "/jobs", "/parked", "/traces", "/audit/looks",
    "/audit/health", "/audit/log", "/audit/requests/ask?kind=terms", "/statements", "/breaks", "/funds", "/meeting", "/findings",
    "/indicators",
)  # fmt: skip
PATHS = DIFFERENT + ALIKE
# Files; pages that are opened as somebody else, or by what a page says; and the same page by another address.
OTHERWISE = {
    "/journal/{position}/proof", "/audit/log/checkpoint", "/audit/log/verify", "/admin/users", "/traces/{trace}",
    "/feeds/{feed}/{sequence}", "/meeting/{report}/{file}",
}  # fmt: skip


def follow(page: Page, what: str) -> None:
    """Clicks what leads to another page, and waits until that is there."""
    with page.expect_navigation(wait_until="domcontentloaded"):
        page.click(what)


class Console:
    """A `hub console` with a browser, and what the browser said while pages were shown."""

    def __init__(self, scene: Scene, browser: Browser, address: str) -> None:
        self.scene, self.browser, self.address = scene, browser, address
        self.lines: list[str] = []
        self.elsewhere: set[str] = set()
        self.cookies: list[Any] = []
        # Where something is that this test's fixtures made: the lost card, that of a holder, an audit, a statement, a break.
        self.places = {"quarantined": scene.quarantined, "refused": scene.refused}

    def context(self, **settings: Any) -> BrowserContext:
        """A window of somebody who is signed in."""
        context = self.browser.new_context(**{"viewport": WIDE, **settings})
        context.set_default_timeout(20_000)
        if self.cookies:
            context.add_cookies(self.cookies)
        context.on("console", self._said)
        context.on("request", lambda request: None if request.url.startswith(self.address) else self.elsewhere.add(request.url))
        return context

    def _said(self, message: ConsoleMessage) -> None:
        # A page that is not there is what was asked for.
        if message.type in ("error", "warning") and "404 (Not Found)" not in message.text:
            self.lines.append(message.text)

    def link(self, name: str, *roles: str) -> str:
        """The address of a link for a new account."""
        with session(self.scene.hub.dsn, "hub_console", "test") as connection:
            put_account(connection, name, name, roles, PROVINCES)
            return f"{self.address}/enter/{make_link(connection, name)}"

    def path(self, path: str) -> str:
        """An address of PATHS with the places of the scene."""
        return self.address + path.format(**self.places)

    def find(self, page: Page, card_no: str, issuer: str) -> str:
        """Finds a card as a person does, and returns the address of its page."""
        page.goto(self.address, wait_until="domcontentloaded")
        page.fill("#find", card_no)
        page.press("#find", "Enter")
        page.select_option("select[name=issuer]", issuer)
        page.select_option("select[name=purpose]", "COMPLAINT")
        page.click("main form button")
        page.wait_for_url("**/cards/*")
        return page.url.removeprefix(self.address)

    def open(self, page: Page, path: str, **query: str) -> None:
        """Opens a page; a purpose that is asked for is given."""
        address = self.path(path)
        said = "&".join(f"{name}={value}" for name, value in query.items())
        # Scripts and style are there by then: both are waited for.
        page.goto(f"{address}{'&' if '?' in address else '?'}{said}" if said else address, wait_until="domcontentloaded")
        if page.locator("form[action='/purpose']").count():
            follow(page, "form[action='/purpose'] button")


@pytest.fixture(scope="module")
def console(
    scene: Scene, audited: str, settled: tuple[Statement, date], met: str, raised: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """The console as a process, a browser, and somebody who signed in by a link and found a card."""
    settings = environment(scene.hub.dsn, scene.hub.data_dir)
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(SECRET)
    with (
        Child(python("tests.console.provider"), settings, cwd=Path(__file__).parents[2]) as provider,
        Child(python("hub.cli", "console", "--listen", "127.0.0.1:0"), {**settings, **_provider(provider.first_line(), secret)}) as child,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        console = Console(scene, browser, child.first_line().split()[-1])
        statement, day = settled
        console.places["finding"] = f"/findings/{raised}"
        console.places |= {"audit": f"/audit/requests/{audited}", "statement": f"/statements/{statement.code}"}
        console.places |= {"meeting": f"/meeting/{met}"}
        console.places |= {"broken": f"/breaks/BR-51-{day:%Y%m%d}-1"}
        with console.context() as context:
            page = context.new_page()
            page.goto(console.link("browser", AUDITOR, OPERATOR, POLICY))
            page.click("main button")
            page.wait_for_url(f"{console.address}/")
            console.places |= {"card": console.find(page, LOST_CARD, "50"), "holder": console.find(page, HOLDERS_CARD, "51")}
            console.cookies = context.cookies()
        yield console
        child.terminate()
        provider.terminate()


def _provider(issuer: str, secret: Path) -> dict[str, str]:
    return {"HUB_OIDC_ISSUER": issuer, "HUB_OIDC_CLIENT_ID": CLIENT, "HUB_OIDC_SECRET_FILE": str(secret)}


@pytest.fixture(scope="module")
def window(console: Console) -> Iterator[Page]:
    """One window for tests that leave nothing behind."""
    with console.context() as context:
        yield context.new_page()


def test_each_page_is_one_of_those_that_are_looked_at() -> None:
    shown = [re.sub(r"\?.*", "", one) for one in PATHS]
    places = {
        "{card}": "/cards/x",
        "{holder}": "/cards/x",
        "{audit}": "/audit/requests/x",
        "{statement}": "/statements/x",
        "{finding}": "/findings/x",
        "{broken}": "/breaks/x",
        "{meeting}": "/meeting/x",
    }
    for name, place in places.items():
        shown = [one.replace(name, place) for one in shown]
    missing = []
    for entry in ENTRIES:
        pattern = re.sub(r"\{(\w+)(:path)?\}", lambda found: ".+" if found[2] else "[^/]+", entry.path)
        if entry.method == "GET" and entry.path not in OTHERWISE and not any(re.fullmatch(pattern, one) for one in shown):
            missing.append(entry.path)
    assert missing == []


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds wrong in a page, with the elements."""
    page.evaluate(AXE)
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], preload: false}).then(r => r.violations"
        ".map(v => [v.id, v.nodes.map(n => n.html)]))"
    )
    return [(name, nodes[:3]) for name, nodes in found]


@pytest.mark.parametrize("path", one_in(10, DIFFERENT))
def test_a_page_is_readable_by_all_and_loads_nothing_from_elsewhere(console: Console, window: Page, path: str) -> None:
    window.emulate_media(color_scheme="light")
    console.open(window, path, lang="zh")
    assert window.evaluate("document.documentElement.lang") == "zh-Hans" and window.locator("h1").count() == 1
    assert violations(window) == []
    assert (console.lines, console.elsewhere) == ([], set())


@pytest.mark.slow
def test_no_page_is_wider_than_a_phone(console: Console, window: Page) -> None:
    window.set_viewport_size(PHONE)
    for path in (*DIFFERENT, "/participants", "/decisions", "/rules", "/reference/media"):
        console.open(window, path, lang="zh")
        assert window.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"], path
    window.set_viewport_size(WIDE)
    assert (console.lines, console.elsewhere) == ([], set())


@pytest.mark.parametrize("path", one_in(2, ["/", "/decisions/{refused}"]))
def test_dark_pages_are_as_readable(console: Console, window: Page, path: str) -> None:
    window.emulate_media(color_scheme="dark")
    console.open(window, path, lang="zh")
    assert violations(window) == []
    window.emulate_media(color_scheme="light")


def test_what_refreshes_itself_keeps_focus_and_open_details(console: Console, window: Page) -> None:
    window.set_viewport_size(PHONE)
    console.open(window, "/")
    window.click("summary")
    window.focus("a[href='/feeds/cq.card-center']")
    before = window.get_attribute("#page", "hx-headers")
    for _ in range(REFRESHES):
        with window.expect_response(lambda response: response.request.headers.get("hx-request") == "true") as refreshed:
            window.dispatch_event("#page", "tick")
        assert refreshed.value.status in (200, 304)
    window.wait_for_function("before => document.getElementById('page').getAttribute('hx-headers') !== before", arg=before)
    assert window.evaluate("document.activeElement.getAttribute('href')") == "/feeds/cq.card-center"
    assert window.evaluate("document.querySelector('details').open")
    assert console.lines == []
    window.set_viewport_size(WIDE)


def test_a_page_ticks_while_it_is_seen(console: Console, window: Page) -> None:
    console.open(window, "/views")
    with window.expect_response(lambda response: response.request.headers.get("hx-request") == "true", timeout=10_000) as refreshed:
        pass
    assert refreshed.value.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.slow
def test_more_tabs_than_a_browser_opens_connections_for_are_live_at_once(console: Console) -> None:
    with console.context() as context:
        pages = [context.new_page() for _ in range(TABS)]
        for page in pages:
            page.goto(f"{console.address}/views", wait_until="domcontentloaded")
        for page in pages:
            with page.expect_response(lambda response: response.request.headers.get("hx-request") == "true") as refreshed:
                pass
            assert refreshed.value.status in (200, 304)
    assert console.lines == []


def test_a_printed_page_is_light_without_menus_and_says_where_its_links_lead(console: Console, window: Page) -> None:
    console.open(window, "/decisions/{refused}", lang="zh", theme="dark")
    window.emulate_media(media="print", color_scheme="dark")
    assert not window.is_visible(".head nav") and not window.is_visible(".search") and not window.is_visible("main button")
    style = window.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert style == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    after = "getComputedStyle(document.querySelector(\"main a[href^='/terms/']\"), '::after').content"
    assert "/terms/" in window.evaluate(after) and violations(window) == []
    window.emulate_media(media="screen", color_scheme="light")
    console.open(window, "/", theme="auto")


def test_keys_find_and_lead_and_can_be_switched_off(console: Console, window: Page) -> None:
    console.open(window, "/feeds")
    window.keyboard.press("/")
    assert window.evaluate("document.activeElement.id") == "find"
    window.keyboard.press("Escape")
    window.evaluate("document.activeElement.blur()")
    window.keyboard.press("j")
    assert window.evaluate("document.activeElement.getAttribute('href')").startswith("/feeds/")
    window.keyboard.press("g")
    window.keyboard.press("t")
    window.wait_for_url("**/terms")
    console.open(window, "/me")
    window.click("#keys")
    window.keyboard.press("/")
    assert window.evaluate("document.activeElement.id") != "find"
    window.click("#keys")


def test_without_script_one_signs_in_reads_filters_and_downloads(console: Console) -> None:
    with console.context(java_script_enabled=False) as context:
        context.clear_cookies()
        page = context.new_page()
        page.goto(console.link("plain", AUDITOR, OPERATOR))
        follow(page, "main button")
        assert page.locator(".strip li").count() == 7
        page.goto(f"{console.address}/decisions?lang=en")
        page.select_option("select[name=outcome]", "DENY")
        follow(page, "main form button")
        assert page.locator("main tbody tr").count() == 1 and "LOST_TEMP" in page.inner_text("main tbody")
        with page.expect_download() as downloaded:
            page.click("a.csv")
        assert downloaded.value.suggested_filename == "decisions.csv"
        page.goto(f"{console.address}/audit/requests/ask?kind=record&lang=en")
        take(page, "#purpose = yearly, #basis = audit law 34")
        assert "to be approved" in page.inner_text("main") and "/audit/requests/AU-" in page.url
        follow(page, "form[action$='/cancel'] button")
        assert "called off" in page.inner_text("main")
        follow(page, "a[href='/me']")
        follow(page, "form[action='/sign-out'] button")
        assert page.url == f"{console.address}/sign-in"


def walks(console: Console) -> dict[str, tuple[list[str], str]]:
    """Each of these is a question somebody has, and the steps from the overview to its answer, with a word that the answer has.

    A step is a click, or a search or form that is filled in and sent: "selector = text, selector = text".
    """
    quarantined = f"/quarantine/{console.scene.quarantined}"
    card = f"#q = {LOST_CARD}, select[name=issuer] = 50, select[name=purpose] = DISPUTE"
    # Each question of an audit is asked in three; who approves it sees its outcome as in the walk that has one.
    hour_ago, now = (in_local(one * SECOND_US).strftime("%Y-%m-%d %H:%M:%S") for one in (NOW_S - 3_600, int(time.time()) - 1))
    asks, why = "/audit/requests/ask?kind=", "#purpose = complaint, #basis = audit law 34"
    asked = {
        "what did the hub know and answer for this card then": ("card", f"#card = {LOST_CARD}, select#issuer = 50, {why}"),
        "is that all there is of this card": ("complete", f"#card = {LOST_CARD}, select#issuer = 50, {why}"),
        "what would it answer with what is known today": ("today", f"#card = {LOST_CARD}, select#issuer = 50, {why}"),
        "how many answers change under another rule": ("rules", f"#from = {hour_ago}, #to = {now}, {why}"),
        "which people lose or gain a concession under another agreement": ("terms", f"#from = {hour_ago}, #to = {now}, {why}"),
        "was anything altered, asked again": ("record", why),
    }
    return {
        "who sends what, who is silent": (["a[href='/feeds/sc.usage']"], "Next number"),
        "why was this card refused": ([f"#find = {LOST_CARD}", card, f"a[href='/decisions/{console.scene.refused}']"], "reported lost"),
        "what was known then": (["#find = 1-1 00:05"], "Looking back"),
        "what of one card was known then": (["#find = 1-1 00:05", "a[href^='/find?known=']", card], "The hub knows no such card"),
        "what is in force between both today": ([".menu a[href='/terms']"], "ORD-TRANSIT"),
        "what waits in quarantine, and what to send": ([".strip a[href='/quarantine']"], "service_region"),
        "what is late and why": ([".strip a[href='/views']"], "Behind"),
        "which batch was refused, and where it came from": (
            [".strip a[href='/quarantine']", f"a[href='{quarantined}']", "main a[href^='/traces/']"],
            "AppendEvents",
        ),
        "what is slow": ([".menu a[href='/views']", ".beside a[href='/traces']", "input[name=slow] = 1"], "The newest first"),
        "what expires next": ([".menu a[href='/feeds']", ".beside a[href='/participants']"], "Days left"),
        "evaluate a corrected event again": (
            [".strip a[href='/quarantine']", f"a[href='{quarantined}']", f"form[action='{quarantined}/evaluate'] button"],
            "it still fails",
        ),
        "what is wrong with this number": (["#find = sc.usage#1", f"a[href='{quarantined}']"], "What it breaks"),
        "what must we send again": (["a[href='/feeds/sc.usage']", "main a[href^='/quarantine?feed=sc.usage']"], "What to send"),
        "was anything altered since the last audit": (
            [
                ".menu a[href='/audit/requests']",
                f"main td a[href='{console.places['audit']}']",
                f"main a[href='{console.places['audit']}/outcome']",
            ],
            "No alteration was found",
        ),
        **{
            question: ([".menu a[href='/audit/requests']", f"main a[href='{asks}{kind}']", said], "to be approved")
            for question, (kind, said) in asked.items()
        },
        "how were our cards answered over there": ([".menu a[href='/decisions']", "main select[name=issuer] = 51"], "500103"),
    }


@pytest.mark.parametrize("first", one_in(WALKS, range(WALKS)))
def test_the_clicks_that_questions_take(console: Console, window: Page, first: int) -> None:
    console.open(window, f"/quarantine/{console.scene.quarantined}", lang="en")
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        window.set_viewport_size(READING)
    console.open(window, "/", lang="en")
    for question, (steps, answer) in list(walks(console).items())[first::WALKS]:
        # The menu and the search are on every page, the same as on the overview.
        if not steps[0].startswith((".menu ", "#find ")):
            follow(window, ".brand")
        for step in steps:
            take(window, step)
        assert len(steps) <= 3 and answer in window.inner_text("main"), question
        if PICTURES:
            window.screenshot(path=Path(PICTURES) / f"walk-{re.sub('[^a-z]+', '-', question)}.png")
    window.set_viewport_size(WIDE)
    assert console.lines == []


def take(page: Page, step: str) -> None:
    """Clicks, or fills in the fields that are named and sends their form."""
    if " = " not in step:
        follow(page, step)
        return
    for field in step.split(", "):
        where, _, what = field.partition(" = ")
        if "select" in where:
            page.select_option(where, what)
        else:
            page.fill(where, what)
    with page.expect_navigation(wait_until="domcontentloaded"):
        page.locator(where).evaluate("field => field.form.requestSubmit()")


def test_a_provider_of_identities_on_another_site_leads_back_to_a_session(console: Console) -> None:
    with console.context() as context:
        context.clear_cookies()
        page = context.new_page()
        page.goto(f"{console.address}/sign-in?lang=en")
        page.click("a[href='/oidc']")
        page.wait_for_url(f"{console.address}/")
        assert "王敏" in page.inner_text(".who") and page.locator(".strip li").count() == 7
    elsewhere, console.elsewhere = {url for url in console.elsewhere if "127.0.0.2" not in url}, set()
    assert (console.lines, elsewhere) == ([], set())


def test_no_card_number_is_in_any_log_or_address(console: Console, window: Page) -> None:
    console.open(window, "{card}")
    assert LOST_CARD not in window.url
    logs = [path for path in console.scene.hub.data_dir.rglob("*") if path.is_file() and path.suffix in (".log", ".jsonl")]
    assert logs and [path.name for path in logs if LOST_CARD.encode() in path.read_bytes()] == []


@pytest.mark.skipif(not PICTURES, reason="HUB_TEST_PICTURES names no folder")
@pytest.mark.timeout(900)
def test_pictures_of_every_page(console: Console) -> None:
    folder = Path(PICTURES)
    folder.mkdir(parents=True, exist_ok=True)
    administrator, wrong = console.link("picture-admin", ADMINISTRATOR), []
    for theme in ("light", "dark"):
        for size in (WIDE, PHONE):
            with console.context(viewport=size, color_scheme=theme) as context:
                page = context.new_page()
                for path in PATHS:
                    for lang in ("zh", "en"):
                        console.open(page, path, lang=lang)
                        name = re.sub(r"\W+", "-", re.sub(r"\{(\w+)\}", r"\1", path)).strip("-") or "overview"
                        page.screenshot(path=folder / f"{name}-{lang}-{theme}-{size['width']}.png", full_page=True)
                        wrong += [(path, lang, theme, size["width"], one) for one in violations(page)]
    with console.context() as context:
        page = context.new_page()
        emulation = context.new_cdp_session(page)
        for name, path in SHOWN_TO_ALL.items():
            console.open(page, path, lang="zh")
            for sight in SIGHTS:
                emulation.send("Emulation.setEmulatedVisionDeficiency", {"type": sight})
                page.screenshot(path=folder / f"{name}-zh-{sight}-1440.png", full_page=True)
            emulation.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
            page.emulate_media(media="print")
            page.screenshot(path=folder / f"{name}-zh-print.png", full_page=True)
            page.emulate_media(media="screen")
    with console.context() as context:
        context.clear_cookies()
        page = context.new_page()
        page.goto(f"{console.address}/sign-in?lang=zh")
        page.screenshot(path=folder / "sign-in-zh-light-1440.png")
        page.goto(administrator)
        follow(page, "main button")
        page.goto(f"{console.address}/admin/users")
        page.screenshot(path=folder / "admin-users-zh-light-1440.png", full_page=True)
        wrong += [("/admin/users", one) for one in violations(page)]
    assert wrong == []
