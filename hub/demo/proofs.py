"""What the provinces of the demo can prove by themselves: their adapters sign, keep the hub's receipts, and compare them with its log."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from hub.admin.participants import changing
from hub.admin.receipts import read_signing_key, register_signing_key
from hub.journal.recorder import AggregateStore
from hub.stage import ADAPTERS, ChildDied, Stage

_ADAPTER = "adapters.cli"


def sign_batches(stage: Stage, dsn: str, data_dir: Path) -> None:
    """Has each adapter make a key for signing batches, and registers it."""
    with closing(AggregateStore(dsn)) as store:
        for adapter, participant in ADAPTERS.items():
            home = data_dir / adapter
            stage.run(_ADAPTER, "signing-key", "--data-dir", str(home), "--participant", participant)
            with changing(store, participant) as registered:
                register_signing_key(registered, read_signing_key(home / "keys" / "batch-signing.pub"), datetime.now(UTC))


def show_receipts(stage: Stage, screen: Console, data_dir: Path, log: str) -> list[str]:
    """Has each adapter compare its receipts with the log, shows how many there are, and returns what does not agree."""
    kept, problems = 0, []
    for adapter in ADAPTERS:
        arguments = ("--data-dir", str(data_dir / adapter))
        try:
            stage.run(_ADAPTER, "receipts", "verify", *arguments)
            kept += json.loads(stage.run(_ADAPTER, "audit", *arguments, "--mirror", log, "--json"))["receipts"]
        except ChildDied as said:
            problems.append(f"{adapter}: {said}")
    verdict = "，全部验证无误，与日志相符 all verified, and the log has what they say" if not problems else f" ✗ {problems}"
    screen.print(f"两省所存回执 receipts kept: {kept:,}{verdict}", soft_wrap=True, highlight=False)
    return problems
