"""The language of a page: Chinese first, English by a switch that stays with the browser."""

from collections.abc import Mapping

LANGUAGES = {"zh": "zh-Hans", "en": "en"}
THEMES = ("auto", "light", "dark")


class Words:
    """Says things in one language."""

    def __init__(self, lang: str) -> None:
        """*lang* is zh or en."""
        self.lang = lang
        # Without the script named, browsers draw Japanese forms.
        self.tag = LANGUAGES[lang]

    def t(self, zh: str, en: str) -> str:
        """Returns the one or the other."""
        return zh if self.lang == "zh" else en

    def of(self, words: Mapping[str, tuple[str, str]], code: str) -> str:
        """Returns the words of a code, the code itself where there are none."""
        return self.t(*words[code]) if code in words else code

    def silence(self, seconds: float | None) -> str:
        """Says a duration in the largest unit that fits."""
        if seconds is None:
            return "—"
        for size, zh, en in ((86_400, "天", "d"), (3_600, "时", "h"), (60, "分", "min")):
            if seconds >= 2 * size:
                return f"{seconds / size:.0f} {self.t(zh, en)}"
        return f"{seconds:.0f} {self.t('秒', 's')}"


def language_of(asked: str, accepted: str) -> str:
    """Returns the language that was asked for, else the first that a browser accepts and there is."""
    if asked in LANGUAGES:
        return asked
    for part in accepted.split(","):
        if (lang := part.strip()[:2].lower()) in LANGUAGES:
            return lang
    return "zh"
