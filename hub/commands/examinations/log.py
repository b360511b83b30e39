"""The log: whether it is sealed, and by which keys."""

from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.monitoring.vitals import UNSEALED_LONG_S, read_log
from hub.trust.log_keys import FILES


@examination("可验证日志的封存 sealing of the log", needs_database=True)
def sealing(scene: Scene) -> Examined:
    """What is recorded is sealed within seconds."""
    log = read_log(scene.connection)
    if not log.unsealed_events or not log.is_late:
        return ok(f"已封存至位置 sealed to position {max(0, log.size - 1):,}")
    text = f"{log.unsealed_events:,} 个事件 events, {log.unsealed_s:,.0f} s"
    advice = "查看 hub project（或 hub seal）是否运行及其日志。See whether `hub project` or `hub seal` runs, and what its log says"
    return fault(text, advice) if log.unsealed_s > UNSEALED_LONG_S else warning(text, advice)


@examination("可验证日志的密钥 keys of the log")
def log_keys(scene: Scene) -> Examined:
    """They are there together, or not at all: an edge has none."""
    there = [name for name in FILES if (scene.config.keys_dir / name).exists()]
    if there and len(there) < len(FILES):
        missing = ", ".join(sorted(set(FILES) - set(there)))
        return fault(f"缺少 missing: {missing}", "从备份取回；新密钥会被见证方拒绝。Take them from the backup: witnesses refuse new ones")
    return ok("齐全 all there" if there else "本机无；封存者才有 none here; only who seals has them")
