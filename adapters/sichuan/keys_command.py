"""`province-adapter keys`: makes this side's keys, shows what to exchange with the province, and checks what came from there."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from adapters.kit import AdapterError, data_home, in_words
from adapters.sichuan.keys import PROVINCE, PROVINCE_PRIVATE, PUBLIC, SESSION, in_pem, load_keys, make_own_keys, make_province_keys


def keys(
    data_dir: Annotated[
        Path | None,
        typer.Option(show_default="HUB_DATA_DIR/sichuan", help="适配器数据目录。Data directory of the adapter."),
    ] = None,
    test_pair: Annotated[
        bool, typer.Option("--test-pair", help="代省侧生成测试密钥对，仅供试用。Make a test pair in the province's place, to try it out.")
    ] = False,
) -> None:
    """四川接口的密钥：生成、出示、检查。Keys of the Sichuan interface: make, show, check."""
    directory = (data_dir or data_home("sichuan")) / "keys"
    try:
        make_own_keys(directory)
        if test_pair:
            make_province_keys(directory)
        own = in_pem(bytes.fromhex((directory / PUBLIC).read_text(encoding="ascii")))
        typer.echo(f"交给省侧 give to the province: {directory / PUBLIC}, SM3 {_fingerprint(own)}\n{own}", nl=False)
        typer.echo(f"安全送达省侧 give to the province by a safe way: {directory / SESSION}")
        province = in_pem(load_keys(directory).peer)
    except (AdapterError, OSError) as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"✓ 省侧公钥可用 the province's public key serves: {directory / PROVINCE}, SM3 {_fingerprint(province)}")
    if (directory / PROVINCE_PRIVATE).exists():
        typer.echo(f"测试用省侧私钥 the province's private key, for tests only: {directory / PROVINCE_PRIVATE}")


def _fingerprint(pem: str) -> str:
    """Returns a digest to compare by telephone."""
    return hashlib.new("sm3", pem.encode()).hexdigest()[:16]
