"""The two provinces' ends of the wire: keys, sealing and posting, with the faults that lie in the sending."""

import http.client
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.chongqing.errors import ChongqingError
from adapters.chongqing.pseudo_xml import NativeReply, encode_call, parse_reply
from adapters.kit import AdapterError
from adapters.kit.values import LOCAL
from adapters.sichuan.envelope import open_reply, seal_request, sign
from adapters.sichuan.keys import PROVINCE, PROVINCE_PRIVATE, PUBLIC, SESSION, Keys, KeyUnusable
from adapters.simulator.messages import ChongqingCall, Fault, SichuanMessage
from adapters.simulator.sichuan_traffic import APP_ID

TIMEOUT_S: Final = 30.0
PATIENCE_S: Final = 60.0
RETRY_S: Final = 0.5
# Not GB18030 whatever comes before: a first byte without a second one.
BROKEN_BYTE: Final = b"\x81<"


class AdapterUnreachable(AdapterError):
    """An adapter does not answer; start it, or check the address given to the simulator."""


def load_province_keys(directory: Path) -> Keys:
    """Returns the province's view of the interface from the adapter's key directory; raises KeyUnusable."""
    names = (PROVINCE_PRIVATE, PROVINCE, PUBLIC, SESSION)
    try:
        private, public, peer, session = (bytes.fromhex((directory / name).read_text(encoding="ascii").strip()) for name in names)
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"{directory}: {', '.join(names)}") from error
    return Keys(private=private, public=public[-64:], peer=peer[-64:], session=session)


class Connection:
    """One keep-alive connection to an adapter; one exchange at a time."""

    def __init__(self, url: str, path: str, content_type: str, stop: Event) -> None:
        """Dials nothing yet; *stop* ends the waiting for an adapter that is away."""
        self._url, self._path, self._headers, self._stop = urlsplit(url), path, {"content-type": content_type}, stop
        self._http: http.client.HTTPConnection | None = None
        self._lock = Lock()
        # Whether the last post was sent more than once: the adapter may have taken it the first time.
        self.was_retried = False

    def post(self, body: bytes) -> bytes:
        """Returns the reply to *body*, trying again while the adapter is away; raises AdapterUnreachable."""
        deadline = time.monotonic() + PATIENCE_S
        self.was_retried = False
        while True:
            try:
                return self._exchange("POST", self._path, body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if (self._stop.is_set() and self.was_retried) or time.monotonic() > deadline:
                    raise AdapterUnreachable(self._url.geturl()) from error
                self.was_retried = True
                # A connection that was idle too long is closed by the other side: the first retry is at once.
                self._stop.wait(RETRY_S if isinstance(error, ConnectionRefusedError) else 0.01)

    def status(self) -> dict[str, Any]:
        """Returns the adapter's /status; raises AdapterUnreachable at once."""
        try:
            return dict(json.loads(self._exchange("GET", "/status", None)))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AdapterUnreachable(self._url.geturl()) from error

    def _exchange(self, method: str, path: str, body: bytes | None) -> bytes:
        with self._lock:
            if self._http is None:
                kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
                self._http = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
            self._http.request(method, path, body, self._headers)
            response = self._http.getresponse()
            content = response.read()
        if response.status != 200:
            raise http.client.HTTPException(f"HTTP {response.status}")
        return content

    def close(self) -> None:
        """Closes the connection; the next exchange dials again."""
        if self._http is not None:
            self._http.close()
            self._http = None


def gateway(url: str, stop: Event) -> Connection:
    """Returns a connection to the Sichuan gateway at *url*."""
    return Connection(url, "/sbk/api/gateway", "application/json;charset=UTF-8", stop)


def card_service(url: str, stop: Event) -> Connection:
    """Returns a connection to the Chongqing card service at *url*."""
    return Connection(url, "/services/CardService", "text/xml; charset=GB18030", stop)


def sealed(message: SichuanMessage, value: Any, keys: Keys) -> bytes:
    """Returns the body of *message*, wrong in the way its fault names; *value* has its references resolved."""
    sent_at = datetime.now(UTC).astimezone(LOCAL)
    if message.fault is Fault.CLOCK_OFF:
        sent_at -= timedelta(minutes=20)
    if message.fault is Fault.UNDECIPHERABLE:
        keys = replace(keys, session=os.urandom(16))
    fields = seal_request(message.trans_code, message.msg_id, f"{sent_at:%Y%m%d%H%M%S}", APP_ID, value, keys)
    if message.fault is Fault.BAD_SIGNATURE:
        fields["sign"] = sign(fields | {"version": "1.1"}, keys)
    return json.dumps(fields).encode()


def opened(reply: bytes, keys: Keys) -> tuple[str, str, Any]:
    """Returns (code, text, data) of the gateway's reply, whose signature holds."""
    return open_reply(json.loads(reply), keys)


def encoded(call: ChongqingCall, secret: bytes) -> bytes:
    """Returns the body of *call*, wrong in the way its fault names."""
    if call.fault is Fault.BAD_CHECKSUM:
        secret += b"x"
    body = encode_call(call.fields, secret, call.block)
    return body.replace(b"&lt;", BROKEN_BYTE + b"lt;", 1) if call.fault is Fault.BAD_ENCODING else body


def read_reply(body: bytes) -> NativeReply:
    """Returns the service's reply; raises AdapterUnreachable for what is none."""
    try:
        return parse_reply(body)
    except ChongqingError as error:
        raise AdapterUnreachable(str(error)) from error
