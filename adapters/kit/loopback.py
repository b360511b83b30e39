"""Calls to this machine itself go through no proxy, whatever the environment names.

gRPC takes `grpc_proxy`, `https_proxy` and `http_proxy` for every address that `no_grpc_proxy` or `no_proxy` do not name, 127.0.0.1 too; no
proxy could reach it.
"""

import ipaddress


def without_proxy(target: str) -> list[tuple[str, int]]:
    """Returns the channel option that keeps a call to HOST:PORT, with or without a scheme, from proxies if it is on this machine."""
    return [("grpc.enable_http_proxy", 0)] if is_here(target.rpartition("/")[2].rpartition(":")[0].strip("[]")) else []


def is_here(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
