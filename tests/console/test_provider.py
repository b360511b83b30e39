"""Signing in by a provider of identities, end to end: who comes in, as what, and everything that is refused, by its name."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import Response
from starlette.testclient import TestClient

from hub.admin.accounts.accounts import disable, find_account
from hub.admin.accounts.provider import LEEWAY_S, ProviderAway, ProviderUnfit, Settings
from hub.admin.accounts.provider import Provider as Relying
from hub.admin.accounts.roles import AUDITOR, POLICY
from hub.child import Child, python
from hub.config import Config
from hub.console.guard import COOKIE, UNDER_WAY
from hub.console.workings import Workings
from hub.journal.sessions import session
from tests.console.conftest import Scene, browser_of
from tests.console.provider import CLIENT, LATE_S, SECRET
from tests.hub_process import environment

NAME = "wang.min@127.0.0.2"


class Console:
    """A console that lets in by the provider, and the provider."""

    def __init__(self, workings: Workings, issuer: str) -> None:
        self.workings, self.issuer = workings, issuer

    def spoil(self, **fault: Any) -> None:
        """Has the provider say something wrong."""
        urllib.request.urlopen(f"{self.issuer}/spoil", json.dumps(fault).encode()).close()  # noqa: S310 (of this test)

    def led_back(self, client: TestClient) -> str:
        """Goes to the provider as a browser does, and returns where it leads back to."""
        begun = client.get("/oidc", follow_redirects=False)
        assert begun.status_code == 303 and "SameSite=lax" in begun.headers["set-cookie"] and "HttpOnly" in begun.headers["set-cookie"]
        # The provider's answer is a redirection to the console, which this process serves itself.
        asked = urllib.request.Request(begun.headers["location"])  # noqa: S310 (of this test)
        with pytest.raises(urllib.error.HTTPError) as led:
            urllib.request.build_opener(_Stays).open(asked)
        parts = urlsplit(led.value.headers["location"])
        assert f"{parts.scheme}://{parts.netloc}" == "https://console"
        return f"{parts.path}?{parts.query}"

    def enter(self, **fault: Any) -> tuple[TestClient, Response]:
        """Signs in with a fault, or without one."""
        self.spoil(**fault)
        client = browser_of(self.workings)
        client.cookies.set("lang", "en")
        return client, client.get(self.led_back(client), follow_redirects=False)


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def console(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(f"{SECRET}\n")
    with Child(python("tests.console.provider"), environment(scene.hub.dsn, scene.hub.data_dir), cwd=Path(__file__).parents[2]) as child:
        issuer = child.first_line()
        config = Config(
            data_dir=scene.hub.data_dir, dsn=scene.hub.dsn, oidc_issuer=issuer, oidc_client_id=CLIENT, oidc_secret_file=str(secret),
            console_address="https://console",
        )  # fmt: skip
        workings = Workings(config, scene.hub.dsn)
        yield Console(workings, issuer)
        child.terminate()
        workings.stop()


def test_who_has_a_role_there_comes_in_as_that(console: Console) -> None:
    client, response = console.enter()
    assert response.status_code == 200 and response.headers["refresh"] == "0; url=/"
    page = client.get("/me").text
    assert "王敏" in page and NAME in page and "provider of identities" in page
    with session(console.workings.dsn, "hub_console", "test") as connection:
        account = find_account(connection, NAME)
    assert account is not None and (account.roles, account.provinces, account.password) == ((AUDITOR,), ("51",), "")


def test_another_role_there_is_another_role_here_and_ends_what_was_open(console: Console) -> None:
    before, _ = console.enter()
    again, _ = console.enter()
    assert [one.get("/me", follow_redirects=False).status_code for one in (before, again)] == [200, 200]
    after, _ = console.enter(hub_roles="POLICY 51 50 UNHEARD_OF")
    assert [one.get("/me", follow_redirects=False).status_code for one in (before, again, after)] == [303, 303, 200]
    with session(console.workings.dsn, "hub_console", "test") as connection:
        account = find_account(connection, NAME)
    assert account is not None and (account.roles, account.provinces) == ((POLICY,), ("51", "50"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"aud": "another-client"}, "for another application"),
        ({"aud": [CLIENT, "another-client"]}, "for another application"),
        ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "for another application"),
        ({"nonce": "of another sign-in"}, "answers another sign-in"),
        ({"exp": int(time.time()) - LEEWAY_S - LATE_S}, "no longer valid"),
        ({"iat": int(time.time()) + LEEWAY_S + LATE_S}, "no longer valid"),
        ({"exp": None}, "no longer valid"),
        ({"iss": "https://elsewhere"}, "not signed by it, or is of another provider"),
        ({"key": "another"}, "not signed by it, or is of another provider"),
        ({"sub": None}, "not signed by it, or is of another provider"),
        ({"hub_roles": []}, "names no role"),
        ({"hub_roles": ["51"]}, "names no role"),
        ({"hub_roles": ["AUDITOR"]}, "no province"),
        ({"hub_roles": ["ADMINISTRATOR", "AUDITOR", "51"]}, "an administrator is no auditor"),
    ],
)
def test_what_is_not_right_lets_nobody_in_and_is_said_by_its_name(console: Console, fault: dict[str, Any], said: str) -> None:
    client, response = console.enter(**fault)
    assert response.status_code == 400 and said in response.text and COOKIE not in client.cookies
    assert client.get("/me", follow_redirects=False).status_code == 303


def test_a_sign_in_is_its_browsers_alone_and_counts_once(console: Console) -> None:
    console.spoil()

    def status(address: str, secret: str) -> int:
        return browser_of(console.workings).get(address, headers={"cookie": f"{UNDER_WAY}={secret}"}, follow_redirects=False).status_code

    def begun() -> tuple[str, str]:
        client = browser_of(console.workings)
        return console.led_back(client), client.cookies[UNDER_WAY]

    back, secret = begun()
    assert [status(back, other) for other in ("", "forged", "x" * 500)] == [400] * 3
    assert [status(back, secret), status(back, secret)] == [200, 400]
    # A wrong answer spends it, too.
    back, secret = begun()
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert [status(back.replace(state, "another"), secret), status(back, secret)] == [400, 400]


def test_a_provider_that_refuses_or_is_disabled_here_lets_nobody_in(console: Console) -> None:
    console.spoil()
    client = browser_of(console.workings)
    client.cookies.set("lang", "zh")
    refused = client.get(console.led_back(client).partition("?")[0] + "?error=access_denied&state=x")
    assert refused.status_code == 400 and "请重新开始" in refused.text
    client, _ = console.enter()
    with session(console.workings.dsn, "hub_console", "test") as connection:
        disable(connection, NAME, is_disabled=True)
        _, response = console.enter()
        disable(connection, NAME, is_disabled=False)
    assert response.status_code == 400 and "The account is disabled" in response.text


def test_a_name_there_is_never_a_local_account_here(console: Console) -> None:
    _, response = console.enter(sub="../../demo")
    assert response.status_code == 200
    with session(console.workings.dsn, "hub_console", "test") as connection:
        rows = connection.execute("SELECT name FROM console.account WHERE name LIKE 'u-%@127.0.0.2'").fetchall()
    assert len(rows) == 1


def test_without_a_provider_there_is_no_such_page_and_an_unsafe_one_is_refused(workings: Workings, console: Console) -> None:
    assert browser_of(workings).get("/oidc").status_code == 404 and "/oidc" not in browser_of(workings).get("/sign-in").text
    assert 'href="/oidc"' in browser_of(console.workings).get("/sign-in").text
    for issuer, back_to in (("http://id.example", "https://console"), ("https://id.example", "http://console.example"), ("ftp://x", "x")):
        with pytest.raises(ProviderUnfit):
            Relying(Settings(issuer, CLIENT, "", back_to, "hub_roles"))
    with pytest.raises(ProviderAway):
        Relying(Settings("http://127.0.0.1:1", CLIENT, "", "https://console", "hub_roles")).begin()
