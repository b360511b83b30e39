"""The demo's witness: a process of its own, as a province or an auditor runs it, that cosigns and mirrors the demo's log."""

import time
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console

from hub.config import Config
from hub.stage import Stage
from hub.tlog.policy import parse
from hub.tlog.sealer import signers
from hub.trust.log_keys import open_log_keys
from hub.witness import folder

NAME = "witness.demo.example"
MIRROR_EVERY_S = 20
# A round of the hub is about every ten seconds.
PATIENCE_S = 30.0


class DemoWitness(NamedTuple):
    """Where it listens, and the policy file that names it."""

    url: str
    policy: Path


def start_witness(stage: Stage, data_dir: Path, log_site: str) -> DemoWitness:
    """Makes a witness that knows the public keys of the log, starts it, and writes a policy that asks for it."""
    config = Config(data_dir=data_dir)
    keys = [key.verifier.text for key in signers(open_log_keys(config.keys_dir), f"{config.log_name}/1")]
    made = folder.make(data_dir / "witness", NAME)
    made.add_log(keys, f"http://{log_site}")
    options = ("--listen", "127.0.0.1:0", "--mirror", "--mirror-every", str(MIRROR_EVERY_S))
    stage.start("witness", "hub.cli", "witness", "serve", str(made.path), *options)
    url = stage.first_line("witness").split()[-1]
    cosigners = {f"witness-{number}": key.verifier.text for number, key in enumerate(made.keys, 1)}
    lines = [
        "# 演示的信任策略 the policy of the demo",
        *[f"log {key} http://{log_site}" for key in keys],
        *[f"witness {name} {key} {url}" for name, key in cosigners.items()],
        f"group demo any {' '.join(cosigners)}",
        "quorum demo",
    ]
    policy = data_dir / "log-policy"
    policy.write_text("\n".join(lines) + "\n", encoding="utf-8")
    parse(policy.read_bytes())
    return DemoWitness(url, policy)


def show_cosigned(screen: Console, dsn: str) -> None:
    """Says up to where the log is cosigned and by whom, once a round has passed."""
    give_up_at = time.monotonic() + PATIENCE_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT size, split_part(min(line), ' ', 2) FROM tlog.cosignature GROUP BY size ORDER BY size DESC LIMIT 1"
            ).fetchone()
            if row is not None or time.monotonic() > give_up_at:
                break
            time.sleep(0.2)
    if row is None:
        screen.print("日志 log: 尚无见证 not cosigned yet", soft_wrap=True)
    else:
        screen.print(
            f"可验证日志 log: 由 {row[1]} 联署至位置 cosigned by {row[1]} to position {row[0] - 1:,}", soft_wrap=True, highlight=False
        )
