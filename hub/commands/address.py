"""The option of an address: HOST:PORT or refused in words."""

import typer

from hub.config import is_address


def checked_address(address: str) -> str:
    """Returns an address as it is, "" included; raises BadParameter for what is none."""
    if address and not is_address(address):
        raise typer.BadParameter(f"不是地址 not an address: {address!r}; HOST:PORT, 如 such as 127.0.0.1:7443")
    return address
