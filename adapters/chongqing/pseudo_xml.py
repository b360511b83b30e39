"""Owns the B1 format: a SOAP `<in>` element whose text is pseudo-XML in GB18030, and the reply to it.

No XML parser can read it. Tag names are Chinese words that carry `*` when mandatory, and the encoding is one
expat does not know; so the envelope is searched for its one element and the fields are read by a tokenizer that
takes a tag with or without its star. After the last field a call may carry a CSV block (card production).

The 校验码, version 2, is lower-case hex SM3 over GB18030 text: a first line `2 FIELDS LINES` with the number of fields and of lines
of the CSV block, one line `tag=value` for each field in the order sent, tags without the star and the 校验码 itself left out, then the
lines of the block, then the secret both sides share, all joined by a line feed. Tags cannot hold `=`, values no line feed, and the first
line says where the fields end, so no two different calls give the same text. (Version 1 had no first line: a last field moved into the
block had the same 校验码.)

Before the 校验码 is checked anybody may have sent the body, so its tags and character references are bounded.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from adapters.chongqing.errors import ChecksumWrong, MalformedCall
from adapters.kit.values import UNWRITABLE

ENCODING = "gb18030"
CHECKSUM = "校验码"
CHECKSUM_VERSION = 2
# No call has half as many tags; a production block of 5,000 cards whose names are all references has fewer of those.
MAX_TAGS, MAX_REFERENCES = 64, 40_000
# The tags the format marks with a star; all others are sent bare.
MANDATORY = frozenset(("操作", "用户名", "时间戳", "所属区县", "社保卡号", "社会保障号码", "姓名", "受理地", "流水号", CHECKSUM))
_ENVELOPE = (
    '<?xml version="1.0" encoding="GB18030"?>\r\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    "<{element}>{text}</{element}></soapenv:Body></soapenv:Envelope>"
)
_TAG = re.compile(r"<([^<>/=\s]+)>([^<]*)</([^<>=\s]+)>")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(lt|gt|amp|quot|apos));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


@dataclass(frozen=True, slots=True)
class NativeCall:
    """One B1 call: its fields in the order sent, tags without the star, and the CSV block or an empty string."""

    fields: Mapping[str, str]
    block: str = ""


@dataclass(frozen=True, slots=True)
class NativeReply:
    """One B1 reply; `status` is a pair of status letters, `valid_to` local yyyyMMddHHmmss, both empty if not known."""

    code: str
    text: str
    status: str = ""
    valid_to: str = ""


def checksum(fields: Mapping[str, str], block: str, secret: bytes) -> str:
    """Returns the 校验码 of a call, over the text that the module's first lines describe."""
    lines = [f"{tag}={value}" for tag, value in fields.items() if tag != CHECKSUM]
    rows = block.splitlines()
    text = "\n".join([f"{CHECKSUM_VERSION} {len(lines)} {len(rows)}", *lines, *rows, ""]).encode(ENCODING)
    return hashlib.new("sm3", text + secret).hexdigest()


def encode_call(fields: Mapping[str, str], secret: bytes, block: str = "") -> bytes:
    """Returns the body of a B1 request as Chongqing's card centre sends it, with its 校验码 put last."""
    assert not any(set(value) & set("<\r\n") for value in fields.values()), "pseudo-XML has no way to write these"
    signed = {**fields, CHECKSUM: checksum(fields, block, secret)}
    tags = [(f"{tag}*" if tag in MANDATORY else tag, value) for tag, value in signed.items()]
    text = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return _envelope("in", f"{text}\r\n{block}" if block else text)


def parse_call(body: bytes, secret: bytes) -> NativeCall:
    """Reads a B1 request and checks its 校验码; raises MalformedCall (99) or ChecksumWrong (31)."""
    fields, block = _tokenize(_element(body, "in"))
    given = fields.get(CHECKSUM, "")
    if not given:
        raise MalformedCall(f"缺少{CHECKSUM}")
    expected = checksum(fields, block, secret)
    if not hmac.compare_digest(given.strip().lower().encode(), expected.encode()):
        raise ChecksumWrong(f"{CHECKSUM}错误")
    return NativeCall({tag: value.strip() for tag, value in fields.items() if tag != CHECKSUM}, block)


def encode_reply(reply: NativeReply) -> bytes:
    """Returns the body of a B1 response; empty parts are left out, as the native system does."""
    parts = (("ERR", reply.code), ("MSG", reply.text), ("卡状态", reply.status), ("有效期至", reply.valid_to))
    return _envelope("out", "".join(f"<{tag}>{value}</{tag}>" for tag, value in parts if value))


def parse_reply(body: bytes) -> NativeReply:
    """Reads a B1 response; raises MalformedCall when it is none."""
    fields, _ = _tokenize(_element(body, "out"))
    if "ERR" not in fields:
        raise MalformedCall("缺少ERR")
    return NativeReply(fields["ERR"], fields.get("MSG", ""), fields.get("卡状态", ""), fields.get("有效期至", ""))


def _envelope(element: str, text: str) -> bytes:
    return _ENVELOPE.format(element=element, text=escape(text)).encode(ENCODING)


def _element(body: bytes, name: str) -> str:
    """Returns the unescaped text of the one element *name*, whatever prefix and attributes it has."""
    try:
        text = body.decode(ENCODING)
    except UnicodeDecodeError:
        raise MalformedCall("报文不是GB18030编码") from None
    # Two searches rather than one pattern with a gap: a body full of opening tags must not cost quadratic time.
    opening = re.search(rf"<(?:[\w.-]+:)?{name}(?:\s[^<>]*)?>", text)
    closing = opening and re.compile(rf"</(?:[\w.-]+:)?{name}\s*>").search(text, opening.end())
    if opening is None or closing is None:
        raise MalformedCall(f"报文中没有完整的<{name}>元素")
    inner = text[opening.end() : closing.start()].strip()
    if inner.startswith("<![CDATA[") and inner.endswith("]]>"):
        return inner[9:-3]
    if inner.count("&") > MAX_REFERENCES:
        raise MalformedCall("字符引用过多")
    return _REFERENCE.sub(_character, inner)


def _character(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return _NAMED[name]
    point = int(decimal) if decimal else int(hexadecimal, 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        raise MalformedCall("字符引用超出范围")
    return chr(point)


def _tokenize(text: str) -> tuple[dict[str, str], str]:
    """Splits pseudo-XML into its fields and the block after them; raises MalformedCall on anything doubtful."""
    fields: dict[str, str] = {}
    text = text.strip()
    at = 0
    while text.startswith("<", at):
        match = _TAG.match(text, at)
        if match is None or match[1].rstrip("*") != match[3].rstrip("*"):
            raise MalformedCall(f"第{len(fields) + 1}个标签未正确闭合")
        if len(fields) == MAX_TAGS:
            raise MalformedCall(f"标签超过{MAX_TAGS}个")
        tag, value = match[1].rstrip("*"), match[2]
        if not tag or tag in fields:
            raise MalformedCall(f"第{len(fields) + 1}个标签为空或重复")
        if UNWRITABLE.search(value):
            raise MalformedCall(f"第{len(fields) + 1}个标签含控制字符")
        fields[tag] = value
        at = match.end()
        while at < len(text) and text[at].isspace():
            at += 1
    return fields, text[at:]
