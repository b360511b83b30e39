"""What the states, steps and files of audits are called, in Chinese and English."""

STATES = {
    "REQUESTED": ("待核准", "to be approved"),
    "APPROVED": ("已核准，排队", "approved, waiting"),
    "REFUSED": ("不予审计", "refused"),
    "RUNNING": ("进行中", "running"),
    "DELIVERED": ("已交付", "delivered"),
    "FAILED": ("未能完成", "failed"),
    "CANCELLED": ("已取消", "called off"),
}
PARTS = {
    1: ("结果（JSON）", "outcome (JSON)"),
    2: ("报告（HTML）", "report (HTML)"),
    3: ("报告（PDF）", "report (PDF)"),
    4: ("证据包", "evidence bundle"),
}
SAME_LOGIN = ("申请与核准出自同一登录", "the same login asked and approved")
# Why a run failed; what is not here is the name of a refusal.
REASONS = {
    "DISK_FULL": ("磁盘已满：请腾出空间后重新申请", "the disk is full: make room, and ask again"),
    "FILES_UNUSABLE": (
        "数据目录不能写入：请检查权限后重新申请",
        "the data directory cannot be written: look at its permissions",
    ),
    "DATABASE_AWAY": ("数据库中断：请重新申请", "the database went away: ask again"),
    "MEMORY_SHORT": ("内存不足：请缩小所问的范围", "there is not enough memory: ask for less"),
    "PROCESS_ENDED": ("执行进程多次中断：请联系运维", "its process ended several times: ask the operators"),
    "FAULT": ("枢纽自身故障：请联系运维，见日志", "a fault of the hub: ask the operators, its log says more"),
}
