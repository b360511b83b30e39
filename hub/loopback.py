"""What calls to this machine itself need: no proxy, whatever the environment names.

gRPC takes `grpc_proxy`, `https_proxy` and `http_proxy` for every address that `no_grpc_proxy` or `no_proxy` do not name, 127.0.0.1 too.
A proxy never reaches the loopback interface of the machine that asks, so a call there that went through one could only fail.
"""

import ipaddress
from collections.abc import Sequence

Options = list[tuple[str, int | str]]


def is_loopback(target: str) -> bool:
    """Whether an address HOST:PORT, with or without a scheme, is on this machine's loopback interface."""
    if target.startswith("unix:"):
        return True
    host = target.rpartition("/")[2].rpartition(":")[0].removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:").strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def channel_options(target: str, further: Sequence[tuple[str, int | str]] = ()) -> Options:
    """Returns the options of a gRPC channel to *target*, with *further* ones: no proxy for what is on this machine."""
    return [("grpc.enable_http_proxy", 0), *further] if is_loopback(target) else [*further]
