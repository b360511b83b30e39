"""Calls to this machine itself go through no proxy, whatever the environment names.

gRPC takes `grpc_proxy`, `https_proxy` and `http_proxy` for every address that `no_grpc_proxy` or `no_proxy` do not name, 127.0.0.1 too; no
proxy could reach it.
"""

import ipaddress


def without_proxy(target: str) -> list[tuple[str, int]]:
    """Returns the channel option that keeps a call to HOST:PORT, with or without a scheme, from proxies if it is on this machine."""
    host = target.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host.lower() == "localhost"
    return [("grpc.enable_http_proxy", 0)] if is_here else []
