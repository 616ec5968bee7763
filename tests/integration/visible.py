"""What a person reads on a page: its texts, and those that its attributes hold."""

from __future__ import annotations

from html.parser import HTMLParser

SILENT = {"script", "style", "code", "pre", "template", "title"}
SAID = ("title", "aria-label", "placeholder", "data-label", "alt")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ICON = "material-symbols-outlined"  # its text is an icon's name


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, bool]] = []  # with whether what is in it is read
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self._hear(*(found.get(name) for name in SAID))
        if tag == "input" and found.get("type") in ("submit", "button"):
            self._hear(found.get("value"))
        if tag not in VOID:
            is_silent = tag in SILENT or ICON in (found.get("class") or "")
            self.open.append((tag, self._is_read() and not is_silent))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._is_read():
            self._hear(data)

    def _is_read(self) -> bool:
        return not self.open or self.open[-1][1]

    def _hear(self, *texts: str | None) -> None:
        self.texts += [" ".join(text.split()) for text in texts if text and text.strip()]


def visible(page: str) -> list[str]:
    reader = _Reader()
    reader.feed(page)
    return reader.texts
