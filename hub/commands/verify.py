"""The command `hub verify`: the hub's own checker of evidence bundles, and the one file with which strangers check them."""

import json
import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from hub.audit import verify as alone
from hub.audit.checker import BundleRefused, check
from hub.audit.text_proofs import check_text, is_text
from hub.commands.options import Json
from hub.commands.wording import local
from hub.domain.errors import HubError
from hub.words.visible import visible

_LOOKED_AT = 1 << 12


def verify(
    bundle: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="证据包、证明或检查点。Bundle, proof or checkpoint.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="信任策略，另行取得。Policy, got elsewhere.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--script", help="写出独立核验程序，只需 Python 与 cryptography。Write out the program for strangers.")
    ] = None,
    leaf: Annotated[str, typer.Option(help="条目证明所述事件的叶散列。Leaf of the event that a .tlog-proof is about, in hex.")] = "",
    as_json: Json = False,
) -> None:
    """核验证据包、.tlog-proof 或检查点；退出码 0 通过，1 不通过，3 仅自洽。Verify a bundle, a .tlog-proof or a checkpoint."""
    if script is not None:
        shutil.copyfile(alone.__file__, script)
        typer.echo(f"✓ {script}: python3 {script.name} BUNDLE --policy POLICY")
    if bundle is None:
        if script is None:
            raise typer.BadParameter("给出证据包，或 --script a bundle, or --script", param_hint="BUNDLE")
        return
    with bundle.open("rb") as file:
        if is_text(file.read(_LOOKED_AT)):
            _verify_text(bundle, policy, leaf, as_json=as_json)
    try:
        with bundle.open("rb") as file:
            verdict = check(file, None if policy is None else policy.read_bytes())
    except BundleRefused as refused:
        typer.echo(visible(f"✗ {refused}"))
        if as_json:
            typer.echo(json.dumps({"exit": alone.REFUSED, "refused": refused.name}))
        raise typer.Exit(alone.REFUSED) from None
    for zh, en in verdict.said:
        typer.echo(f"✓ {visible(zh)}\n  {visible(en)}")
    for who, at_s in verdict.witnesses.items():
        typer.echo(visible(f"✓ 见证 witness {who} {local(at_s * 1_000_000)}"))
    code = alone.VERIFIED if verdict.is_trusted else alone.SELF_CONSISTENT
    zh, en = alone.VERDICTS[code]
    typer.echo(f"{'✓' if verdict.is_trusted else '!'} {zh}\n  {en}")
    if as_json:
        typer.echo(
            json.dumps({"exit": code, "refused": "", "size": verdict.head.size, "entries": verdict.entries, "opened": verdict.opened})
        )
    raise typer.Exit(code)


def _verify_text(path: Path, policy: Path | None, leaf: str, *, as_json: bool) -> None:
    """Verifies a proof or a checkpoint, and ends the command."""
    if policy is None:
        raise typer.BadParameter(
            "证明与检查点须有另行取得的策略 a proof or a checkpoint needs a policy from elsewhere", param_hint="--policy"
        )
    if leaf and not re.fullmatch("[0-9a-f]{64}", leaf):
        raise typer.BadParameter("叶散列是 64 位十六进制数 a leaf is 64 hexadecimal digits", param_hint="--leaf")
    try:
        checked = check_text(path.read_bytes(), policy.read_bytes(), bytes.fromhex(leaf) or None)
    except HubError as refused:
        typer.echo(visible(f"✗ {type(refused).__name__}: {refused}"))
        if as_json:
            typer.echo(json.dumps({"exit": alone.REFUSED, "refused": type(refused).__name__}))
        raise typer.Exit(alone.REFUSED) from None
    typer.echo(visible(f"✓ 日志 log {checked.origin}，大小 size {checked.size:,}"))
    for who, at_s in checked.witnesses.items():
        typer.echo(visible(f"✓ 见证 witness {who} {local(at_s * 1_000_000)}"))
    if checked.is_included:
        typer.echo(f"✓ 该叶在位置 the leaf is at position {checked.position:,}")
    elif checked.position is not None:
        typer.echo(f"! 路径未核验：请用 --leaf 给出位置 {checked.position:,} 的叶 the path was not followed: give the leaf with --leaf")
    code = alone.VERIFIED if checked.is_included or checked.position is None else alone.NOT_CHECKED
    if as_json:
        said = {"exit": code, "refused": "", "size": checked.size, "position": checked.position}
        typer.echo(json.dumps(said))
    raise typer.Exit(code)
