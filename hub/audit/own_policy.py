"""A policy with the keys of the log alone, for a bundle that is made where they are; it asks for no witness."""

from pathlib import Path

import psycopg

from hub.audit.sealed import NothingSealed
from hub.domain.errors import HubError
from hub.tlog.sealer import signers
from hub.tlog.store import newest_incarnation
from hub.trust.log_keys import FILES, open_log_keys


class PolicyMissing(HubError):
    """此机没有日志密钥，请用 --policy 给出信任策略 the keys of the log are not on this machine; give the policy with --policy FILE"""


def own_policy(connection: psycopg.Connection, keys_dir: Path) -> bytes:
    """Returns it; raises NothingSealed, PolicyMissing where the keys are not on this machine, or KeysExposed."""
    log = newest_incarnation(connection)
    if log is None:
        raise NothingSealed
    if not all((keys_dir / name).exists() for name in FILES):
        raise PolicyMissing
    keys = signers(open_log_keys(keys_dir), log.origin)
    return "".join([*(f"log {key.verifier.text}\n" for key in keys), "quorum none\n"]).encode()
