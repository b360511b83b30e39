"""Draws docs/pictures/demo.svg from a recording of a real demo; the picture is redrawn when the demo's screen changes.

script -qefc "stty cols 120 rows 60; .venv/bin/hub demo --events 9000 --rate 300 --exit" /tmp/demo.rec
.venv/bin/python docs/pictures/draw_demo.py < /tmp/demo.rec
"""

import re
import sys
from html import escape
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

# The live screen moves up and draws over itself; nothing else moves the cursor.
UP, ERASE = "\x1b[1A", "\x1b[2K"
FRAME_STARTS = "╭"
FRAME_ENDS = "Ctrl-C"
COLUMNS, CELL_PX, ROW_PX, EDGE_PX = 120, 8.4, 17, 14
# Which ways the line of a border goes from the middle of its place: left, right, up, down.
_WAYS = ["ud", "ud", "rd", "ld", "ru", "lu", "rd", "ld", "lrd", "urd", "lud", "lrud", "ru", "lu", "lru"]
BORDERS = dict(zip("│┃╭╮╰╯┏┓┳┡┩╇└┘┴", _WAYS, strict=True))
TOKEN = re.compile(r"[─━]+|[│┃╭╮╰╯┏┓┳┡┩╇└┘┴]|\s+|[⺀-鿿，。]+|[^\s─━│┃⺀-鿿，。]+")
FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace"


def last_frame(recording: str) -> list[str]:
    """Returns the lines of the last whole frame of the live screen, with their colours."""
    plain = re.sub(r"\x1b\[\?\d+[hl]", "", recording).replace("\r\n", "\n")
    frames = re.split(rf"(?:\r?{re.escape(ERASE)}(?:{re.escape(UP)})?)+", plain)
    whole = [frame for frame in frames if FRAME_STARTS in frame and FRAME_ENDS in frame]
    lines = whole[-1].strip("\r\n").split("\n")
    first = next(number for number, line in enumerate(lines) if FRAME_STARTS in line)
    last = next(number for number, line in enumerate(lines) if FRAME_ENDS in line)
    return lines[first : last + 1]


def draw(lines: list[str]) -> str:
    """Returns the picture: each word and each border at its own place, so that it needs no font of its own."""
    width, height = COLUMNS * CELL_PX + 2 * EDGE_PX, len(lines) * ROW_PX + 2 * EDGE_PX
    words: list[str] = []
    borders: list[str] = []
    for number, line in enumerate(lines):
        _draw_line(Text.from_ansi(line), EDGE_PX + number * ROW_PX, words, borders)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img"><title>make demo</title>'
    style = f"<style>text {{ fill: #e6edf3; font: {CELL_PX / 0.6:.1f}px {FONTS} }} .b {{ font-weight: 700 }} .d {{ fill: #9198a1 }}</style>"
    panel = f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#0d1117" stroke="#30363d"/>'
    frame = f'<path d="{"".join(borders)}" fill="none" stroke="#6e7681"/>'
    return "\n".join([head, style, panel, frame, *words, "</svg>"])


def _draw_line(line: Text, y: int, words: list[str], borders: list[str]) -> None:
    column = 0
    for segment in line.render(Console(width=COLUMNS)):
        style = segment.style
        kind = ' class="b"' if style and style.bold else ' class="d"' if style and style.dim else ""
        for token in TOKEN.findall(segment.text):
            x = EDGE_PX + column * CELL_PX
            column += cell_len(token)
            if token[0] in "─━":
                borders.append(f"M{x:.1f} {y + ROW_PX / 2}h{cell_len(token) * CELL_PX:.1f}")
            elif token in BORDERS:
                borders += _border(token, x + CELL_PX / 2, y + ROW_PX / 2)
            elif token.strip():
                words.append(f'<text{kind} x="{x:.1f}" y="{y + ROW_PX - 4}">{escape(token)}</text>')


def _border(char: str, x: float, y: float) -> list[str]:
    steps = {"l": f"h{-CELL_PX / 2:.1f}", "r": f"h{CELL_PX / 2:.1f}", "u": f"v{-ROW_PX / 2}", "d": f"v{ROW_PX / 2}"}
    return [f"M{x:.1f} {y}{steps[way]}" for way in BORDERS[char]]


if __name__ == "__main__":
    Path(__file__).with_name("demo.svg").write_text(draw(last_frame(sys.stdin.read())) + "\n", encoding="utf-8")
