"""The policy that goes into a bundle where nobody gave one: the file that names the hub's witnesses, or the keys of the log alone."""

from pathlib import Path

import psycopg

from hub.domain.errors import HubError, NothingSealed
from hub.tlog.key_book import known_sets, parties, policy_lines
from hub.tlog.store import newest_incarnation
from hub.trust.log_keys import FILES, open_log_keys


class PolicyMissing(HubError):
    """此机没有日志密钥，请用 --policy 给出信任策略 the keys of the log are not on this machine; give the policy with --policy FILE"""


def own_policy(connection: psycopg.Connection, keys_dir: Path, file: Path | None = None) -> bytes:
    """Returns the policy in a file, if there is one, or one with the keys of the log that asks for no witness.

    Raises NothingSealed, PolicyMissing where the keys are not on this machine, KeysExposed, or OSError.
    """
    if file is not None:
        return file.read_bytes()
    log = newest_incarnation(connection)
    if log is None:
        raise NothingSealed
    if not all((keys_dir / name).exists() for name in FILES):
        raise PolicyMissing
    lines = policy_lines(parties(open_log_keys(keys_dir), known_sets(connection), log.origin))
    return "".join([*(f"{line}\n" for line in lines), "quorum none\n"]).encode()
