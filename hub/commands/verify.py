"""The command `hub verify`: the hub's own checker of evidence bundles, and the one file with which strangers check them."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from hub.audit import verify as alone
from hub.audit.checker import BundleRefused, check
from hub.commands.options import Json
from hub.commands.wording import local


def verify(
    bundle: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="证据包。The bundle (*.hubaudit).")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="信任策略，另行取得。Policy, got elsewhere.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--script", help="写出独立核验程序，只需 Python 与 cryptography。Write out the program for strangers.")
    ] = None,
    as_json: Json = False,
) -> None:
    """核验证据包；退出码 0 通过，1 不通过，3 仅自洽。Verify an evidence bundle; exit codes are those of docs/verify.md."""
    if script is not None:
        shutil.copyfile(alone.__file__, script)
        typer.echo(f"✓ {script}: python3 {script.name} BUNDLE --policy POLICY")
    if bundle is None:
        if script is None:
            raise typer.BadParameter("给出证据包，或 --script a bundle, or --script", param_hint="BUNDLE")
        return
    try:
        with bundle.open("rb") as file:
            verdict = check(file, None if policy is None else policy.read_bytes())
    except BundleRefused as refused:
        typer.echo(f"✗ {refused}")
        if as_json:
            typer.echo(json.dumps({"exit": alone.REFUSED, "refused": refused.name}))
        raise typer.Exit(alone.REFUSED) from None
    for zh, en in verdict.said:
        typer.echo(f"✓ {zh}\n  {en}")
    for who, at_s in verdict.witnesses.items():
        typer.echo(f"✓ 见证 witness {who} {local(at_s * 1_000_000)}")
    code = alone.VERIFIED if verdict.is_trusted else alone.SELF_CONSISTENT
    zh, en = alone.VERDICTS[code]
    typer.echo(f"{'✓' if verdict.is_trusted else '!'} {zh}\n  {en}")
    if as_json:
        typer.echo(
            json.dumps({"exit": code, "refused": "", "size": verdict.head.size, "entries": verdict.entries, "opened": verdict.opened})
        )
    raise typer.Exit(code)
