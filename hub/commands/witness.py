"""The commands `hub witness`: a witness and mirror of the log, for a machine that has neither the hub's database nor its settings."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.address import checked_address
from hub.commands.options import Json
from hub.domain.errors import HubError
from hub.telemetry.process_log import speak_on_stderr
from hub.tlog import note
from hub.tlog.note import Checkpoint
from hub.tlog.web import Unreachable
from hub.witness import comparing, evidence, folder
from hub.witness.cosigning import Cosigner
from hub.witness.folder import Folder, WatchedLog
from hub.witness.mirroring import Mirror
from hub.witness.server import application, serve
from hub.witness.sources import SourceLacks, source_of

app = typer.Typer(help="见证与镜像：不依赖枢纽数据库。A witness and mirror of the log, without the hub's database.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="见证程序的目录。The witness's folder.")]
Keys = Annotated[list[str], typer.Option("--log", help="日志的公钥（vkey），每种签名一行。A public key of the log; repeat for each kind.")]
Url = Annotated[str, typer.Option("--url", help="日志的网址，供镜像读取。Address of the log's tiles, for the mirror.")]
Origin = Annotated[str, typer.Option("--origin", help="日志的来源名；只有一个时可省。The log's origin, where there are several.")]


class WitnessAddressInUse(HubError):
    """The address cannot be listened on:"""


class NoLogAddress(HubError):
    """No address of this log is known; give one with --from, or a folder."""


class OriginAmbiguous(HubError):
    """The witness watches several logs, or none; name one with --origin."""


@app.callback()
def root() -> None:
    """见证与镜像。A witness and mirror of the log."""


@app.command()
def init(
    directory: Directory,
    name: Annotated[str, typer.Option(help="见证方名称，如 witness.sc.example。Name of the witness, for life.")],
    log: Keys,
    url: Url = "",
) -> None:
    """建立：生成密钥，登记日志。Make a witness: its keys, and the log that it watches."""
    # A key that was copied wrong must not leave a folder behind: the next try would find it taken.
    folder.log_keys(log)
    made = folder.make(directory, name)
    made.add_log(log, url)
    _print_lines(made)


@app.command("add-log")
def add_log(directory: Directory, log: Keys, url: Url = "") -> None:
    """登记另一个日志，如恢复后的新一世。Watch another log, such as the next incarnation after a restore."""
    added = folder.opened(directory).add_log(log, url)
    typer.echo(f"已登记 watching: {added.origin}")


@app.command("log-keys")
def change_log_keys(directory: Directory, log: Keys) -> None:
    """更换一个日志的公钥（枢纽轮换日志密钥时）。Have other keys count for a log that is watched, when the hub rotates them."""
    changed = folder.opened(directory).change_log_keys(log)
    typer.echo(f"{changed.origin}: {len(changed.parties)} 个公钥 keys; 即时生效 from now on")


@app.command()
def keys(directory: Directory) -> None:
    """打印供策略文件使用的行。Print the lines for the policy of the hub and of those who verify."""
    _print_lines(folder.opened(directory))


def _print_lines(opened: Folder) -> None:
    for kind, found in (("witness", opened.keys), ("mirror", opened.mirror_keys)):
        for number, key in enumerate(found, 1):
            typer.echo(f"witness {opened.name.replace('/', '-')}-{kind}-{number} {key.verifier.text}")


@app.command("serve")
def serve_witness(
    directory: Directory,
    listen: Annotated[str, typer.Option(help="监听地址。Address to listen on.", callback=checked_address)] = "127.0.0.1:7490",
    certificate: Annotated[Path | None, typer.Option(help="TLS 证书（PEM）。TLS certificate in PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="其私钥（PEM）。Its key in PEM.")] = None,
    shows_mirror: Annotated[bool, typer.Option("--mirror", help="同时提供镜像。Serve the mirror too.")] = False,
    every_s: Annotated[float, typer.Option("--mirror-every", min=0, help="镜像间隔秒数，0 为不镜像。Mirror so often, 0 for never.")] = 0,
) -> None:
    """运行见证程序（HTTP）。Run the witness: it checks and cosigns what the log sends."""
    speak_on_stderr("hub witness")
    opened = folder.opened(directory)
    host, _, port = listen.rpartition(":")
    with opened.alone("serve"), _listening(host.strip("[]"), int(port)) as listening:
        stop = threading.Event()
        if every_s:
            threading.Thread(target=_mirror_on, args=(opened, every_s, stop), name="mirror", daemon=True).start()
        pages = application(opened, Cosigner(opened), shows_mirror=shows_mirror)
        scheme = "http" if certificate is None else "https"
        typer.echo(f"witness {opened.name} listening on {scheme}://{host}:{listening.getsockname()[1]}")
        for log in opened.logs() if shows_mirror else ():
            typer.echo(f"{log.origin}: 镜像 mirror {scheme}://{host}:{listening.getsockname()[1]}/mirror/{log.directory.name}")
        serve(pages, listening, certificate, key)
        stop.set()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as failure:
        raise WitnessAddressInUse(f"{host}:{port}: {failure.strerror}") from None
    with listening:
        yield listening


def _mirror_on(opened: Folder, every_s: float, stop: threading.Event) -> None:
    while True:
        for log in opened.logs():
            if log.url:
                _mirror_one(opened, log)
        if stop.wait(every_s):
            return


def _mirror_one(opened: Folder, log: WatchedLog) -> None:
    """Mirrors once; a log that is away is tried again, one that contradicts itself is said each time."""
    try:
        with opened.alone("mirror"):
            Mirror(opened, log, source_of(log.url)).update()
    except (HubError, OSError) as refused:
        level = logging.WARNING if isinstance(refused, Unreachable | SourceLacks | folder.FolderBusy) else logging.ERROR
        logging.getLogger(__name__).log(level, "mirror: not brought up to date", extra={"origin": log.origin, "reason": str(refused)})


@app.command("mirror")
def mirror_log(
    directory: Directory,
    where: Annotated[str, typer.Option("--from", help="日志的网址或目录。The log's address, or a folder.")] = "",
    origin: Origin = "",
) -> None:
    """镜像一次：取条目，重算根，存为文件并联署。Mirror once: fetch entries, compute the root, keep them as files, cosign."""
    opened = folder.opened(directory)
    log = _one(opened, origin)
    if not (where or log.url):
        raise NoLogAddress(log.origin)
    with opened.alone("mirror"):
        brought = Mirror(opened, log, source_of(where or log.url)).update()
    typer.echo(f"已镜像 mirrored: {brought.before:,} → {brought.size:,}，{log.mirror}")


@app.command()
def status(directory: Directory, as_json: Json = False) -> None:
    """查看：见证到哪里、镜像到哪里、有无证据。To where it cosigned and mirrored, and whether there is evidence.

    退出码 0 正常，1 状态存疑或有证据。Exits with 1 if its state is doubtful, or there is evidence.
    """
    opened = folder.opened(directory)
    kept = sorted(path.name for path in opened.evidence.glob("*.json"))
    logs = [_status_of(opened, log) for log in opened.logs()]
    if as_json:
        typer.echo(json.dumps({"name": opened.name, "logs": logs, "evidence": kept}, ensure_ascii=False))
    else:
        for found in logs:
            typer.echo(f"{found['origin']}: 见证到 cosigned to {found['cosigned']}，镜像到 mirrored to {found['mirrored']:,}")
        for name in kept:
            typer.echo(f"✗ 证据 evidence: {opened.evidence / name}")
    raise typer.Exit(1 if kept or any(found["doubt"] for found in logs) else 0)


def _status_of(opened: Folder, log: WatchedLog) -> dict[str, str | int]:
    mirrored = Mirror(opened, log, source_of("")).checkpoint()
    mirrored_size = 0 if mirrored is None else Checkpoint.parse(mirrored.text).size
    try:
        return {"origin": log.origin, "cosigned": opened.high(log).size, "mirrored": mirrored_size, "doubt": ""}
    except folder.StateDoubtful as doubtful:
        return {"origin": log.origin, "cosigned": "?", "mirrored": mirrored_size, "doubt": str(doubtful)}


@app.command()
def compare(
    directory: Directory,
    notes: Annotated[list[Path], typer.Argument(help="两份检查点，或一份证据文件。Two checkpoints, or one file of evidence.")],
    tiles: Annotated[str, typer.Option(help="含较大一份的树的网址或目录。Where the tiles of the larger one are: address or folder.")] = "",
) -> None:
    """比较同一日志的两份检查点；矛盾则存为证据。Compare two checkpoints of a log; a contradiction is kept as evidence.

    退出码 0 一致，1 矛盾，3 需要树节点才能判断。Exits with 0 if they agree, 1 if not, 3 if only tiles could say.
    """
    opened = folder.opened(directory)
    if len(notes) == 1:
        first, second = evidence.parse(notes[0].read_bytes()).notes
    elif len(notes) == 2:
        first, second = (note.parse(path.read_bytes()) for path in notes)
    else:
        raise typer.BadParameter("两份检查点或一份证据 two checkpoints, or one file of evidence")
    log = opened.log(Checkpoint.parse(first.text).origin)
    found = comparing.compare(log, first, second, source_of(tiles) if tiles else None)
    if found.kind is not None:
        kept = evidence.keep(opened.evidence, log, found.kind, (first, second), int(time.time()))
        typer.echo(f"✗ {found.kind.words} {kept}")
        raise typer.Exit(1)
    if not found.is_certain:
        typer.echo("两份大小不同：给出 --tiles 才能判断。Of two sizes: only --tiles can say whether one continues the other.")
        raise typer.Exit(3)
    typer.echo("一致 they agree")


def _one(opened: Folder, origin: str) -> WatchedLog:
    if origin:
        return opened.log(origin)
    logs = opened.logs()
    if len(logs) != 1:
        raise OriginAmbiguous(" ".join(log.origin for log in logs))
    return logs[0]
