"""The demo's statements: what the traffic of the demo comes to between the provinces, cut now, and one made again from the journal."""

import json
from datetime import UTC, datetime

from rich.console import Console

from hub.demo.screen import show_command
from hub.domain.instants import LOCAL
from hub.stage import Stage

_SHOWN = "QR"


def show_statements(stage: Stage, screen: Console) -> list[str]:
    """Has the statements of the day issued, or shows those that somebody had issued meanwhile, and returns what does not hold.

    Raises ChildDied.
    """
    day = datetime.now(UTC).astimezone(LOCAL).date().isoformat()
    show_command(stage, screen, "两省结算 statements between the provinces", "settle", "--day", day, "--early")
    (shown,) = json.loads(stage.run("hub.cli", "settle", "list", "--scheme", _SHOWN, "--from", day, "--to", day, "--json").splitlines()[-1])
    code = shown["statement"]
    again = json.loads(stage.run("hub.cli", "settle", "verify", code, "--json").splitlines()[-1])
    screen.print(
        f"  按日志重算 made again from the journal: {code} {'✓' if again['equal'] else '✗'} {again['again'][:16]}…", soft_wrap=True
    )
    return [] if again["equal"] else [f"结算单重算不同 a statement differs from the journal: {code}"]
