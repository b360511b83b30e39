"""`hub participants signing-key`, `signing-revoke`, `signed-only`, `signing`: keys with which a participant signs its batches."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hub.admin.participants import changing, find_participant
from hub.admin.receipts import read_signing_key, register_signing_key, revoke_signing_key
from hub.commands.database import database
from hub.config import Config
from hub.journal.recorder import AggregateStore

Name = Annotated[str, typer.Argument(help="名称，如 sc.card-center。Name, such as sc.card-center.")]
_ALGORITHMS = {1: "Ed25519", 2: "SM2"}


def signing_key(
    name: Name,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="`province-adapter signing-key` 所造的文件。Its file.")],
) -> None:
    """登记一个批次签名密钥；旧密钥仍可用，直到吊销。Register a key for signing batches; older ones go on until they are revoked."""
    key = read_signing_key(file)
    with _store() as store, changing(store, name) as participant:
        register_signing_key(participant, key, datetime.now(UTC))
    typer.echo(f"{participant.name}: 已登记 registered {key.id} ({_ALGORITHMS[key.algorithm]})")


def signing_revoke(
    name: Name,
    key: Annotated[str, typer.Argument(help="密钥编号。Id of the key.")],
    reason: Annotated[str, typer.Option(help="原因代码，如 KEY_LOST。Reason code, such as KEY_LOST.")],
) -> None:
    """吊销签名密钥：两秒内拒绝，含已打开的流；先前签的仍算数。Revoke a key: refused within 2 s; what it signed before stays signed."""
    with _store() as store, changing(store, name) as participant:
        revoke_signing_key(participant, key, reason, datetime.now(UTC))
    typer.echo(f"{participant.name}: 已吊销 revoked {key} ({reason})")


def signed_only(
    name: Name,
    feed: Annotated[str, typer.Argument(help="数据流。Feed.")],
    off: Annotated[bool, typer.Option("--off", help="不再要求签名。Take unsigned batches, too.")] = False,
) -> None:
    """规定数据流只收签名的批次。Let a feed take signed batches alone."""
    with _store() as store, changing(store, name) as participant:
        participant.require_signing(feed, datetime.now(UTC), is_required=not off)
    typer.echo(f"{feed}: {'可不签名 unsigned batches are taken' if off else '只收签名批次 takes signed batches alone'}")


def signing(name: Name) -> None:
    """列出签名密钥与只收签名的数据流。List keys for signing batches, and feeds that take signed batches alone."""
    with _store() as store:
        participant = find_participant(store, name)
    for key_id, key in participant.signing.keys.items():
        state = participant.signing.revoked.get(key_id)
        verdict = f"已吊销 revoked ({state})" if state else "有效 in force"
        typer.echo(f"{key_id}  {_ALGORITHMS.get(key.algorithm, '?')}  {key.public_key.hex()}  {verdict}")
    for feed in sorted(participant.signing.only):
        typer.echo(f"{feed}: 只收签名批次 takes signed batches alone")


@contextlib.contextmanager
def _store() -> Iterator[AggregateStore]:
    with database(Config()) as dsn, contextlib.closing(AggregateStore(dsn)) as store:
        yield store
