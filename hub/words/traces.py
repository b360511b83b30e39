"""What processes, spans and errors of traces are called in Chinese; in English they have their own names."""

from hub.words.methods import METHODS
from hub.words.names import VIEWS

PROCESSES = {
    "hub serve": "枢纽",
    "hub project": "投影",
    "province-adapter-sichuan": "四川适配器",
    "province-adapter-chongqing": "重庆适配器",
    "province-adapter-bank": "银行适配器",
}
SPANS = {
    "check events": "核对事件",
    "wait in queue": "排队",
    "commit group": "成组入账",
    "read card group": "成组读卡",
    "decide": "判断",
    "commit decisions": "答复入账",
    "deliver subscription": "投递订阅",
    "process losses": "处理挂失",
    "fold views": "折叠视图",
    "take file": "收取文件",
    "read file": "读文件",
    "translate lines": "翻译各行",
    "check and translate": "核对并翻译",
    "number events": "事件编号",
    "send batch": "发送批次",
    "POST /sbk/api/gateway": "四川接口报文",
    "POST /services/CardService": "重庆卡服务报文",
}
# Of the adapters: what their native replies and acknowledgements refuse.
ERRORS = {
    "SignatureInvalid": "签名无效",
    "Undecipherable": "无法解密",
    "MessageRepeated": "报文重复或过时",
    "ParameterInvalid": "参数无效",
    "TotalsRefused": "总数被拒绝",
    "MalformedCall": "报文无法解析",
    "ChecksumWrong": "校验码不对",
    "OperationUnknown": "没有这种操作",
    "IssuerOnly": "只有发卡地可办",
    "SerialReused": "流水号已用于别的内容",
    "SerialSpent": "流水号已用过",
    "HEADER": "文件头记录错误",
    "FILE_NAME": "文件名错误",
    "RECORD_LENGTH": "记录长度错误",
    "SEQUENCE": "记录序号错误",
    "TRAILER": "尾记录错误",
    "COUNT": "笔数不符",
    "SUM": "金额合计不符",
    "DIGEST": "摘要不符",
    "VERSION": "版本错误",
    "CONTENT_CHANGED": "同名文件内容已变",
    "TOTALS": "总数文件错误",
    "NOT_TAKEN": "枢纽没有收下",
}


def span_words(name: str) -> str:
    """Returns a span in Chinese, "" where there are no words: a fold by its view, a call by its method."""
    if (view := name.removeprefix("fold ")) in VIEWS and view != name:
        return f"折叠{VIEWS[view][0]}"
    return SPANS.get(name) or METHODS.get(name.rpartition("/")[2] if "/" in name else "", "")
