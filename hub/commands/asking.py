"""How operators' tools ask a running hub: with the hub's own certificate for it, naming the operator, and never as a province."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import grpc
import typer

from hub.api.edge.listeners import edge_of
from hub.commands.login import acting
from hub.commands.options import OPERATOR_OPTION
from hub.commands.probe import reachable
from hub.commands.refusals import call_in_words
from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.participant import OPERATOR, OPERATOR_METADATA
from hub.trust.authority import participant_files

Operator = Annotated[str, typer.Option(OPERATOR_OPTION, help="操作员，默认为登录名。Who acts; the login name if left out.")]


class NoOperatorCertificate(HubError):
    """运维证书不在此处，`hub serve` 启动时签发 the operators' certificate is not here; `hub serve` issues it when it starts:"""


@contextmanager
def asking(config: Config, target: str, operator: str) -> Iterator[tuple[grpc.Channel, tuple[tuple[str, str], ...]]]:
    """Opens a channel as the operators, and the metadata that names this one with each call.

    Nothing is issued here: raises NoOperatorCertificate. A refused call becomes one line, and exit code 1.
    """
    files = participant_files(config.certificates_dir, OPERATOR)
    if not files.certificate.exists() or not files.key.exists():
        raise NoOperatorCertificate(str(files.certificate))
    try:
        with files.channel(reachable(target or edge_of(config).listen)) as channel:
            yield channel, ((OPERATOR_METADATA, acting(operator)),)
    except grpc.RpcError as refusal:
        typer.echo(f"✗ {call_in_words(refusal)}", err=True)
        raise typer.Exit(1) from None
