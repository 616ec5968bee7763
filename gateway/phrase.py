"""Sentences that programs have in English and people in their own language."""

from __future__ import annotations

from django.utils.translation import gettext


class Phrase(str):
    """English, as a command prints it and a table keeps it; a page shows it in its reader's language.

        Phrase("%(days)s of 7 days hold", days="6")

    `script/messages` takes its text for marked: it has to stand in the call itself.
    """

    msgid: str
    values: dict[str, object]

    def __new__(cls, msgid: str, /, **values: object) -> Phrase:
        made = super().__new__(cls, msgid % values if values else msgid)
        made.msgid, made.values = msgid, values
        return made


def shown(text: str) -> str:
    """A phrase in the reader's language; any other text as it is."""
    if not isinstance(text, Phrase):
        return text
    told = gettext(text.msgid)
    return told % text.values if text.values else told
