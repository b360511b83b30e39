"""What a check of the record needs beside the database, as far as it is on this machine; a check makes none of it."""

from dataclasses import replace
from pathlib import Path

from hub.config import Config
from hub.tlog.policy import NONE, Policy
from hub.tlog.policy import parse as parse_policy
from hub.trust.keyring import Keyring, open_keyring
from hub.trust.log_keys import FILES, LogKeys, open_log_keys


def keyring_here(config: Config) -> Keyring | None:
    """Reads the keys of the hub where they are."""
    return open_keyring(config.keys_dir) if (config.keys_dir / "pseudonym.key").exists() else None


def log_keys_here(config: Config) -> LogKeys | None:
    """Reads the keys of the log where they are."""
    return open_log_keys(config.keys_dir) if all((config.keys_dir / name).exists() for name in FILES) else None


def trusted(config: Config, policy: Path | None = None) -> Policy | None:
    """Reads the policy that was given, else the hub's own, by which witnesses that are away are no fault of the record."""
    if policy is not None:
        return parse_policy(policy.read_bytes())
    return None if config.log_policy is None else replace(parse_policy(config.log_policy.read_bytes()), quorum=NONE)
