"""`province-adapter receipts`, `audit`, `signing-key`: what the hub signed for, whether its log has it, the key that signs batches."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.kit import AdapterError, HubConnection, in_words, mutual_tls
from adapters.kit.batch_keys import make_signing_key, open_batch_keys
from adapters.kit.comparing import WORDS, Compared, Comparison, feeds_of
from adapters.kit.kept import Kept
from adapters.kit.log_copy import LogCopy
from adapters.kit.log_trust import LogKey, read_keys
from adapters.kit.proofs import HubKey, ReceiptFault, check, read
from adapters.receipts.openers import HubOpeners

receipts = typer.Typer(help="枢纽的回执：列出、导出、验证。Receipts of the hub: list, export, verify them.", no_args_is_help=True)
DataDir = Annotated[Path, typer.Option(help="适配器数据目录。Data directory of the adapter.")]
Feeds = Annotated[list[str] | None, typer.Option("--feed", help="只看这些数据流，可重复。These feeds alone, may be repeated.")]
_SHOWN = 50


class NoOutbox(AdapterError):
    """The data directory has no outbox: give that of an adapter with --data-dir."""


@receipts.command("list")
def list_receipts(data_dir: DataDir, feed: Feeds = None) -> None:
    """列出回执：编号、位置、时间。List receipts: numbers, positions, time."""
    for document in _kept(data_dir).receipts(feed or ()):
        try:
            says = read(document)
        except ReceiptFault as fault:
            typer.echo(f"✗ {fault}: {document.splitlines()[1:4]}", err=True)
            continue
        positions = ",".join(f"{first}-{last}" for first, last in says.positions)
        typer.echo(f"{says.feed} {says.first}-{says.last} → {positions}  {_time_of(document)}  key {says.key_id}")


@receipts.command("export")
def export(data_dir: DataDir, out: Annotated[Path, typer.Option(help="写到的文件。File to write.")], feed: Feeds = None) -> None:
    """导出回执与公钥，每行一个 JSON，供他人验证。Export receipts and public keys, one JSON a line, for others to verify."""
    kept = _kept(data_dir)
    count = 0
    with out.open("w", encoding="utf-8") as file:
        for key_id, key in kept.keys().items():
            file.write(json.dumps({"key_id": key_id, **key._asdict(), "public": key.public.hex()}) + "\n")
        for document in kept.receipts(feed or ()):
            file.write(json.dumps({"receipt": document}) + "\n")
            count += 1
    typer.echo(f"已导出 exported {count}: {out}")


@receipts.command("verify")
def verify(
    data_dir: Annotated[Path | None, typer.Option(help="适配器数据目录。Data directory of the adapter.")] = None,
    file: Annotated[Path | None, typer.Option(exists=True, help="导出的文件。A file that was exported.")] = None,
) -> None:
    """验证回执的签名与密钥有效期。Verify signatures of receipts, and that their keys were valid then."""
    if (data_dir is None) == (file is None):
        raise typer.BadParameter("--data-dir 与 --file 二选一 either --data-dir or --file")
    documents, keys = _of_file(file) if file is not None else _of_directory(data_dir or Path())
    wrong = 0
    for document in documents:
        try:
            check(document, keys)
        except ReceiptFault as fault:
            wrong += 1
            typer.echo(f"✗ {fault}: {document.splitlines()[1:4]}", err=True)
    typer.echo(f"{'✗' if wrong else '✓'} 回执 receipts {len(documents)}，验证无误 verified {len(documents) - wrong}，不符 wrong {wrong}")
    raise typer.Exit(1 if wrong else 0)


def audit(
    data_dir: DataDir,
    mirror: Annotated[str, typer.Option(help="镜像目录，或日志站点的网址。Folder of a mirror, or URL of the log's site.")],
    log_key: Annotated[
        list[str] | None,
        typer.Option(help="日志公钥（vkey 一行），可重复；与 --policy 都不给则不验检查点签名。A vkey line of the log, may be repeated."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="策略文件，含日志各公钥及其起止。Policy with the log's keys."),
    ] = None,
    sealed_within_min: Annotated[float, typer.Option(min=0, help="回执后多少分钟内须入树。Minutes in which it is sealed.")] = 60.0,
    ca: Annotated[Path | None, typer.Option(help="枢纽 CA；与后三项同给，用来开启摘要。With the next three: opens digests.")] = None,
    cert: Annotated[Path | None, typer.Option(help="本参与方证书。This participant's certificate.")] = None,
    key: Annotated[Path | None, typer.Option(help="本参与方私钥。Its private key.")] = None,
    hub: Annotated[list[str] | None, typer.Option(help="枢纽地址 host:port。Hub target.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。Print JSON.")] = False,
) -> None:
    """核对：枢纽签收的是否都在日志里，内容是否一致。Compare what the hub signed for, and what was sent, with its log."""
    if any((ca, cert, key, hub)) and not all((ca, cert, key, hub)):
        raise typer.BadParameter("四项须同给 give all four: --ca --cert --key --hub", param_hint="--hub")
    try:
        kept, copy = _kept(data_dir), LogCopy(mirror)
        trusted = _trusted(log_key or (), policy)
        head = copy.checkpoint(trusted)
        keys, documents = kept.keys(), list(kept.receipts())
        comparison = Comparison(head, copy.entries(head), feeds_of(documents))
        sound = comparison.receipts(documents, keys, sealed_within_min * 60)
        openers = None
        if ca and cert and key and hub:
            openers = HubOpeners(HubConnection(hub, mutual_tls(ca, cert, key)))
        with asyncio.Runner() as runner:
            own = open_batch_keys(data_dir / "keys")
            comparison.contents(sound, kept, own.digest_of, lambda says: runner.run(openers.of(says)) if openers else None)
            if openers:
                runner.run(openers.close())
    except AdapterError as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(2) from None
    result = comparison.result
    typer.echo(json.dumps(_as_json(result), ensure_ascii=False)) if as_json else _show(result, is_signed=bool(trusted))
    raise typer.Exit(1 if result.differences else 0)


def _trusted(log_keys: Sequence[str], policy: Path | None) -> list[LogKey]:
    """Returns the keys of the log that were given, none if nothing was; raises LogKeysUnreadable."""
    lines = [key if key.startswith("log ") else f"log {key}" for key in log_keys]
    if policy is not None:
        lines += policy.read_text(encoding="utf-8", errors="replace").splitlines()
    return read_keys(lines) if lines or policy is not None else []


def signing_key(
    data_dir: DataDir,
    participant: Annotated[str, typer.Option(help="参与方名称，如 sc.card-center。Name of the participant.")],
    sm2: Annotated[bool, typer.Option("--sm2", help="用 SM2，不用 Ed25519。SM2 in place of Ed25519.")] = False,
) -> None:
    """造批次签名密钥；适配器下次启动起即签名，须先登记。Make a key that signs batches from the adapter's next start on."""
    try:
        registration = make_signing_key(data_dir / "keys", participant, is_sm2=sm2)
    except AdapterError as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"登记文件 registration: {registration}")
    typer.echo(f"下一步 next: hub participants signing-key {participant} {registration}")


def _kept(data_dir: Path) -> Kept:
    path = data_dir / "outbox.sqlite"
    if not path.exists():
        typer.echo(in_words(NoOutbox(str(path))), err=True)
        raise typer.Exit(2)
    return Kept(path)


def _of_directory(data_dir: Path) -> tuple[list[str], dict[str, HubKey]]:
    kept = _kept(data_dir)
    return list(kept.receipts()), kept.keys()


def _of_file(path: Path) -> tuple[list[str], dict[str, HubKey]]:
    documents: list[str] = []
    keys: dict[str, HubKey] = {}
    try:
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if "receipt" in line:
                documents.append(str(line["receipt"]))
            else:
                keys[line["key_id"]] = HubKey(bytes.fromhex(line["public"]), line["from_us"], line["until_us"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise typer.BadParameter("不是导出的回执文件 no file of exported receipts", param_hint="--file") from None
    return documents, keys


def _time_of(document: str) -> str:
    return next(line.removeprefix("recorded ") for line in document.splitlines() if line.startswith("recorded "))


def _show(result: Compared, *, is_signed: bool) -> None:
    for difference in result.differences[:_SHOWN]:
        chinese, english = WORDS[difference.name]
        numbers = f"{difference.first}" if difference.first == difference.last else f"{difference.first}-{difference.last}"
        typer.echo(f"✗ {difference.name} {difference.feed} {numbers}: {chinese} {english} ({difference.facts})")
    if len(result.differences) > _SHOWN:
        typer.echo(f"… 另有 and {len(result.differences) - _SHOWN} more")
    typer.echo("；".join(f"{name} {count:,}" for name, count in result.counts.items()))
    if not is_signed:
        typer.echo("检查点签名未验 the checkpoint's signature was not checked (--log-key, --policy)", err=True)
    typer.echo("✗ 不符 does not agree" if result.differences else "✓ 相符 agrees", err=not sys.stdout.isatty() and not result.differences)


def _as_json(result: Compared) -> dict[str, object]:
    return {"differences": [difference._asdict() for difference in result.differences], **result.counts}
