"""`hub open-data`: figures of the reports for the joint meeting as a folder for anybody, and a check of such a folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.database import database
from hub.commands.officer_desk import refusals
from hub.commands.options import Json
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.journal.sessions import session
from hub.open_data import folder as folders
from hub.trust.certificates import own_authorities, read_certificates
from hub.trust.report_keys import open_report_signer

if TYPE_CHECKING:
    from hub.open_data.signature import SignedBy

app = typer.Typer(help="开放数据：写出文件夹、核对。Open data: write the folder, check one.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(file_okay=False, help="文件夹。The folder.")]
LICENCE = "https://creativecommons.org/licenses/by/4.0/"


@app.command("write")
def write(
    folder: Folder,
    licence: Annotated[str, typer.Option(help="许可协议网址，由联席会议决定。Address of the licence.")] = LICENCE,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="不签名。Without a signature.")] = False,
    as_json: Json = False,
) -> None:
    """写出联席会议报告已公布的数字；再写一次不变。Write what reports for the joint meeting showed; again it is the same."""
    config, checked = Config(), _checked(licence)
    with database(config) as dsn, session(dsn, "hub_reader", "hub-open-data") as connection, refusals():
        sign, holds = (None, _no) if unsigned else _signing(config)
        done = folders.write(connection, folder, checked, sign, holds)
    if as_json:
        typer.echo(json.dumps({"files": done.files, "withheld": list(done.withheld)}, ensure_ascii=False))
        return
    typer.echo(f"✓ {folder}: {sum(done.files.values())} / {len(done.files)} 个文件已写 files written")
    for one in done.withheld:
        typer.echo(f"  {one}: 不公布，与已公布的一起可推算出少数人 withheld: with what is published a few could be computed")


@app.command("check")
def check(
    folder: Folder,
    authority: Annotated[
        Path | None, typer.Option("--authority", exists=True, dir_okay=False, help="枢纽的 CA 证书，另行取得。The hub's CA, got elsewhere.")
    ] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="不核对签名。Do not check the signature.")] = False,
    as_json: Json = False,
) -> None:
    """按目录核对文件夹，再验目录的签名，无须数据库。Check a folder by its catalogue, and the catalogue's signature, without a database."""
    with refusals():
        wrong = folders.check(folder)
        by = None if unsigned else _signed_by(folder, authority)
    if as_json:
        typer.echo(json.dumps({"wrong": wrong, "signed_by": by.fingerprint if by is not None else ""}))
    else:
        said = [f"✗ {path}: 缺失、被改动或目录中没有 missing, altered or not in it" for path in wrong] or [f"✓ {folder}"]
        if by is not None:
            at = by.at.astimezone(LOCAL).isoformat(timespec="seconds")
            said.append(f"✓ 签名 signed by SHA-256 {by.fingerprint}，自称 at, as it says: {at}")
        typer.echo("\n".join(said))
    if wrong:
        raise typer.Exit(1)


def _signed_by(folder: Path, authority: Path | None) -> "SignedBy":
    from hub.open_data import signature

    certificates = own_authorities(Config().certificates_dir) if authority is None else read_certificates(authority)
    return signature.check(*folders.catalogue_with_signature(folder, signature.MOST_BYTES), certificates)


def _signing(config: Config) -> tuple[folders.Sign, folders.Holds]:
    from hub.open_data import signature

    signer = open_report_signer(config.certificates_dir)

    def holds(catalogue: bytes, there: bytes) -> bool:
        try:
            signature.check(catalogue, there, signer.authorities)
        except signature.CatalogueSignatureWrong:
            return False
        return True

    return (lambda catalogue: signature.sign(catalogue, signer)), holds


def _no(_: bytes, __: bytes) -> bool:
    return False


def _checked(licence: str) -> str:
    place = licence.removeprefix("https://")
    if place in ("", licence) or not licence.isascii() or any(one.isspace() or one in '<>"{}|\\^`' for one in licence):
        raise typer.BadParameter(f"不是网址 no address: {licence}；如 such as {LICENCE}", param_hint="--licence")
    return licence
