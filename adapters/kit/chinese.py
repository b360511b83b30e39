"""What each error of an adapter means in Chinese, by its name, for the terminal; the English is the error's own docstring."""

CHINESE = {
    "OutboxLost": "枢纽已记录了此待发库从未发出的序号：待发库文件不是发送它们的那一个。",
    "HubBehind": "枢纽期待一个它已确认过的序号：换了枢纽，或枢纽是从旧备份恢复的。",
    "SequenceConflict": "枢纽在该数据流的某一序号下已有另一个事件。",
    "OutboxDamaged": "待发库缺少枢纽尚未确认的序号，或枢纽确认了从未发出的序号。",
    "SenderFault": "适配器自身的故障使数据流停止；枢纽未确认的仍在待发库中。",
    "ReceiptWrong": "枢纽对一批的回执缺失、签名不符，或与答复不一致；未据此确认任何内容。",
    "BatchKeyUnusable": "批次密钥文件不可用。",
    "LogUnreadable": "日志的镜像无法读取，或与其检查点不符。",
    "LogKeysUnreadable": "不是策略中的日志公钥行；请用 `hub seal --status` 所印的各行。",
    "LogKeyWrong": "没有在此大小仍有效的日志密钥签署检查点；请取枢纽最新的策略，否则不要使用此镜像。",
    "KeysRefused": "枢纽不交付开启摘要的密钥。",
    "NoOutbox": "数据目录中没有待发库。",
    "FeedStopped": "数据流已停止：排除原因并重新启动适配器之前不再发送。",
    "HubUnreachable": "所列枢纽地址均未及时答复。",
    "DataDirectoryInUse": "另一个适配器正在使用此数据目录：停止它，或用 --data-dir 另给目录。",
    "CertificateUnreadable": "证书或密钥文件无法读取。",
    "OptionUnreadable": "选项不符合其说明中的格式。",
    "KeyUnusable": "密钥文件不可用；`province-adapter keys` 生成本侧密钥，并说明每个文件应有的内容。",
    "SecretUnusable": "校验码密钥文件为空或无法读取。",
    "AdapterUnreachable": "适配器无应答；请启动它，或检查给模拟器的地址。",
    "StartTooLate": "模拟的业务为一整天且不得在未来：请从一天以前开始。",
}


def in_words(error: Exception) -> str:
    """Returns what an operator reads of an error: Chinese with English beside."""
    chinese = "文件无法读写 a file cannot be used:" if isinstance(error, OSError) else CHINESE.get(type(error).__name__, "")
    return f"✗ {chinese} {error}" if chinese else f"✗ {error}"
