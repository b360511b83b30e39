"""The demo's look at its own console: whether each panel of the overview has something to show, asked as its auditor does."""

import csv
import http.client
import io

from hub.admin.accounts.sessions import make_link
from hub.journal.sessions import session

# The account that the console of a demo has for who looks at it.
ACCOUNT = "demo"
PANELS = ("flows", "regions", "answers", "reasons", "feeds", "views")
# Of any traffic there are answers, feeds and views; the others need uses across the border, and answers that are no.
ALWAYS = ("answers", "feeds", "views")
DEADLINE_S = 30.0


def alive(dsn: str, address: str) -> dict[str, bool]:
    """Returns of each panel whether it shows anything but nought; raises OSError where the console does not answer."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=DEADLINE_S)
    try:
        cookie = _signed_in(dsn, connection)
        return {panel: shows_something(_asked(connection, f"/overview.csv?table={panel}&lang=en", cookie)) for panel in PANELS}
    finally:
        connection.close()


def _signed_in(dsn: str, connection: http.client.HTTPConnection) -> str:
    """Signs in by a link of its own, as the demo's user does, and returns the cookie."""
    with session(dsn, "hub_console", "hub-demo") as rows:
        secret = make_link(rows, ACCOUNT)
    connection.request("POST", f"/enter/{secret}", headers={"Sec-Fetch-Site": "same-origin"})
    answer = connection.getresponse()
    answer.read()
    return (answer.getheader("Set-Cookie") or "").partition(";")[0]


def _asked(connection: http.client.HTTPConnection, path: str, cookie: str) -> str:
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read().decode("utf-8-sig", "replace")
    return body if answer.status == http.client.OK else ""


def shows_something(text: str) -> bool:
    """Whether a file has a row with a figure; its last line says how many rows there are."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row and not row[0].startswith("# END")]
    return any(cell not in ("", "0", "—") for row in rows[1:] for cell in row[1:])
