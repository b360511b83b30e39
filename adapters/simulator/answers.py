"""What the provinces were answered, one JSON line an answer: to be compared with what the hub has, whatever happened in between.

    {"feed": "sc.usage", "key": "CQ-HUB-0001|…|", "lane": "…", "events": 2, "taken": true, "answer": "sichuan 0000"}
    {"feed": "cq.usage", "file": "CQTK_USE_….dat", "version": "02.10", "events": 181}

`key` is how the adapter's outbox names the events of the message; `events` is how many the message adds to the feed, none if it repeats
one. A line names no card and no person.
"""

import json
from pathlib import Path

from adapters.chongqing.translate_call import FEED as CHONGQING_CARDS
from adapters.chongqing.translate_usage import FEED as CHONGQING_USES
from adapters.sichuan.translate import CARD_FEED as SICHUAN_CARDS
from adapters.sichuan.usage import FEED as SICHUAN_USES
from adapters.simulator.messages import ChongqingCall, ChongqingFile, Message
from adapters.simulator.sichuan_traffic import APP_ID


class AnswersFile:
    """Where answers are noted; without a path nowhere."""

    def __init__(self, path: Path | None) -> None:
        """Goes on in a file that is there."""
        self._file = path.open("a", encoding="utf-8") if path else None

    def note(self, message: Message, answer: str = "", *, taken: bool = True) -> None:
        """Notes the answer to a message, or that a file was dropped."""
        if self._file is None:
            return
        line = {**_place(message), "events": message.events, "taken": taken, "answer": answer}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()


def _place(message: Message) -> dict[str, str]:
    if isinstance(message, ChongqingFile):
        return {"feed": CHONGQING_USES, "file": message.header.file_name, "version": message.header.version}
    if isinstance(message, ChongqingCall):
        key = f"call:{message.fields['用户名']}:{message.fields['流水号']}#"
        return {"feed": CHONGQING_CARDS, "key": key, "lane": f"chongqing {message.lane}"}
    feed = SICHUAN_USES if message.trans_code in ("SBK2104", "SBK2105") else SICHUAN_CARDS
    return {"feed": feed, "key": f"{APP_ID}|{message.msg_id}|", "lane": f"sichuan {message.lane}"}
