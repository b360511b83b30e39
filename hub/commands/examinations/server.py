"""What listens and what is called: the hub's port, its page for machines, the collector."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

from hub.api.edge.listeners import edge_of
from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.commands.probe import Answer, ask, metrics_address, reachable

_PATIENCE_S = 2.0


@examination("服务端口 listen port")
def listen_port(scene: Scene) -> Examined:
    """It is free, or a hub answers there."""
    listen = scene.target or edge_of(scene.config).listen
    if not _answers(listen):
        if scene.target:
            return fault(f"{listen} 无应答 nothing answers there", "检查地址，或启动枢纽。Check the address, or start the hub")
        return _bindable(listen, "未运行，端口可用 no hub runs, the port is free")
    answer = ask(scene.config, listen, ("",))
    if answer.problem:
        return fault(
            f"{answer.target} 有应答但不是此枢纽 something answers, but not this hub: {answer.problem}",
            f"查明占用者 find who holds it: ss -ltnp；或改 HUB_LISTEN。Or change HUB_LISTEN ({listen})",
        )
    return ok(f"{answer.target} 就绪 ready") if answer.is_ready else _not_ready(answer)


def _not_ready(answer: Answer) -> Examined:
    reasons = "; ".join(sorted(set(answer.reasons.values()))) or "原因见日志 see its log"
    return warning(f"{answer.target} 未就绪 not ready: {reasons}", "hub status")


@examination("监控端口 metrics port")
def metrics_port(scene: Scene) -> Examined:
    """It is free, or a hub's page answers there."""
    address = edge_of(scene.config).metrics or metrics_address(scene.config)
    if not address:
        return ok("未开启 switched off")
    return ok(f"{address} 有应答 answers") if _answers(address) else _bindable(address, "端口可用 the port is free")


@examination("遥测收集器 OTLP collector")
def otlp_collector(scene: Scene) -> Examined:
    """It can be reached, if one is configured."""
    endpoint = scene.config.otlp_endpoint
    if not endpoint:
        return ok("未配置，链路存于本地 none configured: traces stay here")
    place = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    if not _answers(f"{place.hostname}:{place.port or 4317}"):
        return warning(
            f"{endpoint} 不可达 cannot be reached",
            "枢纽照常工作，链路丢弃并计数；检查收集器。The hub works on and counts what it drops; look after the collector",
        )
    return ok(endpoint)


def _answers(address: str) -> bool:
    host, _, port = reachable(address).rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S)):
            return True
    except OSError:
        return False


def _bindable(listen: str, text: str) -> Examined:
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.create_server((host.strip("[]"), int(port)), family=family)):
            return ok(f"{listen} {text}")
    except OSError as error:
        return fault(
            f"{listen} 不可监听 cannot be listened on: {error.strerror}", "改 HUB_LISTEN 或 HUB_METRICS_LISTEN。Change the address"
        )
