"""The witnesses of the log: whether there is a policy, whether they can be reached, and what they saw."""

from hub.audit.log_overview import witness_states
from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.domain.errors import HubError
from hub.tlog import contradictions, store
from hub.tlog.policy import parse
from hub.tlog.sealer import signers
from hub.tlog.witnessing import all_seen
from hub.trust.log_keys import FILES, open_log_keys


@examination("日志的见证方 witnesses of the log", needs_database=True)
def witnesses(scene: Scene) -> Examined:
    """Nobody contradicts the log, and each witness of the policy answers with a checkpoint of it."""
    log = store.newest_incarnation(scene.connection)
    if log is not None and (count := contradictions.count(scene.connection, log.number)):
        return fault(
            f"与日志矛盾的检查点 checkpoints that contradict it: {count}",
            "见 docs/runbook.md 的 HubLogContradicted。See HubLogContradicted",
        )
    path = scene.config.log_policy
    if path is None:
        return _without_policy(scene)
    try:
        policy = parse(path.read_bytes())
    except (OSError, HubError) as problem:
        return fault(f"{path}: {problem}", "改正策略文件，十秒内重新读取。Mend the policy; it is read again within ten seconds")
    if log is None or any(not (scene.config.keys_dir / name).exists() for name in FILES):
        return ok(f"策略有效，日志密钥不在本机 the policy is valid; the log's keys are not here: {len(policy.witnesses)}")
    answers = all_seen(policy, log.origin, [key.verifier for key in signers(open_log_keys(scene.config.keys_dir), log.origin)])
    silent = [f"{answered.url}: {answered.problem or '未见过此日志 never saw this log'}" for answered in answers if answered.seen is None]
    if silent:
        return warning("；".join(silent), "在其机器上运行 hub witness status。Run `hub witness status` on its machine")
    return ok("，".join([f"{answered.url} {answered.seen.checkpoint.size:,}" for answered in answers if answered.seen is not None]))


def _without_policy(scene: Scene) -> Examined:
    """Says whether somebody else asks witnesses, such as the process that seals: then it has a policy, and this shell has none."""
    cosigned = witness_states(scene.connection)
    if not cosigned:
        return ok("未设 HUB_LOG_POLICY，无人见证 none: HUB_LOG_POLICY is not set")
    size = max(one.size for one in cosigned)
    return ok(
        f"另一进程的策略在用，已联署至 another process has a policy, cosigned to size {size:,}; "
        "此处未设 HUB_LOG_POLICY，未询问见证方 none is asked from here, where HUB_LOG_POLICY is not set"
    )
