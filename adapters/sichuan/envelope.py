"""The envelope of Sichuan's interface, both ways: who signed it, over what, and the clear data inside.

Requests and replies carry `sign`, the SM2 signature (raw r||s, Base64) over the SM3 digest of all other top-level
fields sorted by name and joined `k=v&k=v`; fields added without notice are signed like any other. `data` is Base64 of
a fresh 16-byte IV followed by the SM4-CBC ciphertext (PKCS#7) of UTF-8 JSON: the interface names no IV, and one that
travels in front needs no agreement and is never used twice. A signature is checked before anything is decrypted, so
that padding faults give a stranger no information.
"""

import base64
import json
import os
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl_pyx import sm2_sign, sm2_verify

from adapters.sichuan.keys import Keys
from adapters.sichuan.replies import ParameterInvalid, SignatureInvalid, Undecipherable

BLOCK_BYTES = 16
FIELDS = {
    "appId": r"[\w.-]{1,64}",
    "transCode": r"SBK\d{4}",
    "msgId": r"\w{1,64}",
    "timestamp": r"\d{14}",
    "version": r"[\d.]{1,8}",
    "encType": r"SM4",
    "signType": r"SM2",
    "data": r"(?s).+",
}


@dataclass(frozen=True)
class Request:
    """A request whose signature holds; its data is still encrypted."""

    app_id: str
    trans_code: str
    msg_id: str
    timestamp: str
    data: str


def signing_string(fields: dict[str, Any]) -> bytes:
    """Returns the bytes that are signed: every field but `sign`, sorted by name."""
    return "&".join(f"{name}={_text(fields[name])}" for name in sorted(fields) if name != "sign").encode(
        errors="surrogatepass"  # a lone surrogate in a stranger's JSON is a wrong signature, not a crash
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)
    return str(value)


def sign(fields: dict[str, Any], keys: Keys) -> str:
    """Returns the `sign` field of *fields*."""
    r, s = decode_dss_signature(sm2_sign(keys.private, keys.public, signing_string(fields)))
    return base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()


def verify(fields: dict[str, Any], keys: Keys) -> None:
    """Raises SignatureInvalid unless the other side's key signed exactly these *fields*."""
    try:
        raw = base64.b64decode(fields["sign"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureInvalid("sign 不是 Base64") from error
    if len(raw) != 64:
        raise SignatureInvalid("sign 应为 64 字节 r||s")
    signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    if not sm2_verify(keys.peer, signing_string(fields), signature):
        raise SignatureInvalid("验签未通过")


def encrypt(value: Any, keys: Keys) -> str:
    """Returns *value* as the `data` field."""
    padder = padding.PKCS7(BLOCK_BYTES * 8).padder()
    clear = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    iv = os.urandom(BLOCK_BYTES)
    cipher = Cipher(algorithms.SM4(keys.session), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + cipher.update(padder.update(clear) + padder.finalize()) + cipher.finalize()).decode()


def decrypt(data: str, keys: Keys) -> Any:
    """Returns the JSON value in the `data` field; raises Undecipherable."""
    try:
        raw = base64.b64decode(data, validate=True)
        cipher = Cipher(algorithms.SM4(keys.session), modes.CBC(raw[:BLOCK_BYTES])).decryptor()
        unpadder = padding.PKCS7(BLOCK_BYTES * 8).unpadder()
        clear = unpadder.update(cipher.update(raw[BLOCK_BYTES:]) + cipher.finalize()) + unpadder.finalize()
        return json.loads(clear)
    except (ValueError, RecursionError) as error:  # binascii, padding, UTF-8 and JSON faults are all ValueErrors
        raise Undecipherable("data 应为 Base64(IV||SM4-CBC(UTF-8 JSON))") from error


def open_request(body: bytes, keys: Keys) -> Request:
    """Reads a request and checks its signature; raises ParameterInvalid or SignatureInvalid."""
    try:
        fields = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ParameterInvalid("报文不是 UTF-8 JSON") from error
    if not isinstance(fields, dict):
        raise ParameterInvalid("报文不是 JSON 对象")
    for name, pattern in FIELDS.items():
        if not isinstance(fields.get(name), str) or not re.fullmatch(pattern, fields[name], re.ASCII):
            raise ParameterInvalid(name)
    verify(fields, keys)
    return Request(fields["appId"], fields["transCode"], fields["msgId"], fields["timestamp"], fields["data"])


def seal_request(trans_code: str, msg_id: str, timestamp: str, app_id: str, value: Any, keys: Keys) -> dict[str, Any]:
    """Returns the signed request a province sends: the other half of open_request, for simulators and tests."""
    fields = {
        "appId": app_id,
        "transCode": trans_code,
        "msgId": msg_id,
        "timestamp": timestamp,
        "version": "1.2",
        "encType": "SM4",
        "signType": "SM2",
        "data": encrypt(value, keys),
    }
    return fields | {"sign": sign(fields, keys)}


def seal_reply(code: str, text: str, msg_id: str, value: Any, keys: Keys) -> dict[str, Any]:
    """Returns the signed reply; no data is an empty string, as this interface writes null."""
    fields = {"code": code, "msg": text, "msgId": msg_id, "data": "" if value is None else encrypt(value, keys)}
    return fields | {"sign": sign(fields, keys)}


def open_reply(reply: dict[str, Any], keys: Keys) -> tuple[str, str, Any]:
    """Returns (code, text, data) of a reply whose signature holds: the other half of seal_reply."""
    verify(reply, keys)
    return reply["code"], reply["msg"], decrypt(reply["data"], keys) if reply["data"] else None
