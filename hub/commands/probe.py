"""Asks a running hub whether it is ready, as `hub status` and container health checks do: the standard health service, over mutual TLS.

It shows a certificate of the hub's own authority that names no registered participant, so it may ask nothing else; by that certificate
the hub also says why a service is not ready.
"""

from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.api.edge.health import REASON_METADATA
from hub.api.edge.listeners import edge_of
from hub.config import METRICS_LISTEN, Config
from hub.domain.errors import HubError
from hub.domain.participant import PREFIX, PROBE
from hub.trust.authority import CertificateFiles, issue_participant, participant_files

WITHIN_S = 3.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104 (turned into loopback)


class NoCertificates(HubError):
    """尚无证书，首次 `hub serve` 会生成 no certificates yet, the first `hub serve` makes them:"""

    def __init__(self, directory: Path) -> None:
        """*directory* is where they will be."""
        super().__init__(str(directory))


@dataclass(slots=True)
class Answer:
    """What the hub said: whether each service is ready, with the reason if it is known; *problem* is why it said nothing."""

    target: str
    problem: str = ""
    services: dict[str, bool] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether every service is ready."""
        return not self.problem and all(self.services.values())


def ask(config: Config, target: str, services: tuple[str, ...]) -> Answer:
    """Asks for each service ("" for all at once); never raises for what may be wrong with a hub or its certificates."""
    answer = Answer(reachable(target or edge_of(config).listen))
    try:
        files = _credentials(config.certificates_dir)
        options = [("grpc.ssl_target_name_override", _server_name(config.certificates_dir))]
        with files.channel(answer.target, options) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for service in services:
                said, call = health.Check.with_call(health_pb2.HealthCheckRequest(service=service), timeout=WITHIN_S)
                answer.services[service] = said.status == health_pb2.HealthCheckResponse.SERVING
                reason = dict(call.trailing_metadata() or ()).get(REASON_METADATA)
                if isinstance(reason, bytes):
                    answer.reasons[service] = reason.decode(errors="replace")
    except grpc.RpcError as refusal:
        answer.problem = f"{refusal.code().name}: {refusal.details()}"
    except HubError as refusal:
        answer.problem = str(refusal)
    except OSError as error:
        answer.problem = f"证书不可读 the certificates cannot be read: {error.strerror}: {error.filename}"
    except (ValueError, x509.ExtensionNotFound):
        answer.problem = f"证书已损坏 the certificates in {config.certificates_dir} are damaged"
    return answer


def reachable(listen: str) -> str:
    """Returns where a listener is reached from its own machine."""
    host, _, port = listen.rpartition(":")
    return f"{_ANYWHERE.get(host, host)}:{port}"


def metrics_address(config: Config) -> str:
    """Returns where `hub serve` shows its page for machines, "" for nowhere."""
    return METRICS_LISTEN if config.metrics_listen is None else config.metrics_listen


def _credentials(directory: Path) -> CertificateFiles:
    """The probe's own certificate, or any participant's on file where the authority is not here."""
    if (directory / "ca.key").exists():
        return issue_participant(directory, PROBE)
    for key in sorted(directory.glob("*.key")):
        if key.stem != "server":
            return participant_files(directory, f"{PREFIX}{key.stem}")
    raise NoCertificates(directory)


def _server_name(directory: Path) -> str:
    """A name that the hub's certificate has, whatever address it is reached by."""
    if not (directory / "server.crt").exists():
        raise NoCertificates(directory)
    certificate = x509.load_pem_x509_certificate((directory / "server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return str(next(iter([*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress)]), "localhost"))
