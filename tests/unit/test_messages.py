"""The catalogue holds every text that is marked, translated, and is what Django reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from tests.messages import catalogue
from tests.messages.catalogue import kept, key, texts
from tests.messages.marked import OURS, ROOT, _in, marked
from tests.messages.unmarked import in_python, in_template

AMEND = "run script/messages"


@pytest.fixture(scope="module")
def found() -> list[Message]:
    return list(catalogue.messages(catalogue.read()))


def test_every_marked_text_is_in_it_and_no_other(found):
    wanted = {key(message) for message in catalogue.messages(marked())}
    have = {key(message) for message in found}
    assert wanted - have == set(), AMEND
    assert have - wanted == set(), AMEND


def test_every_text_is_translated(found):
    missing = [message.id for message in found if not catalogue.is_translated(message)]
    assert missing == []


def test_a_translation_holds_the_placeholders_and_elements_of_its_text(found):
    for message in found:
        allowed = [kept(text) for text in texts(message.id)]
        for translation in texts(message.string):
            assert kept(translation) in allowed, message.id


def test_what_django_reads_is_compiled_from_it():
    assert catalogue.MO.read_bytes() == catalogue.compiled(catalogue.read()), AMEND


def test_writing_it_anew_changes_nothing():
    read = catalogue.updated(catalogue.read(), marked())
    assert catalogue.written(read) == catalogue.PO.read_bytes(), AMEND


def test_texts_are_found_in_python_and_in_templates(tmp_path: Path):
    (tmp_path / "some.py").write_text(
        'a = _("plain")\nb = ngettext("%(count)s cat", "%(count)s cats", 2)\n'
        'c = pgettext_lazy("door", "open")\nd = Phrase("one " "text", count=1)\ne = f(_("inner"))\n'
    )
    (tmp_path / "some.html").write_text(
        '<p>\n  {% translate "Said" %} {% blocktranslate with a=b.c %}Of {{ a }}{% endblocktranslate %}\n'
        " {% blocktranslate count n=rows|length %}{{ n }} row{% plural %}{{ n }} rows{% endblocktranslate %}"
        '\n {% translate "to" context "range" %}{{ x|default:_("none") }}</p>'
    )
    files = [tmp_path / "some.py", tmp_path / "some.html"]
    assert [(one.id, one.context) for one in _in(tmp_path, files)] == [
        ("plain", None),
        (("%(count)s cat", "%(count)s cats"), None),
        ("open", "door"),
        ("one text", None),
        ("inner", None),
        ("Said", None),
        ("Of %(a)s", None),
        (("%(n)s row", "%(n)s rows"), None),
        ("to", "range"),
        ("none", None),
    ]


def test_a_place_is_a_file_of_the_repository(found):
    places = {place for message in found for place, _ in message.locations}
    ours = {place for place in places if not place.startswith(("unfold/", "django_q/"))}
    assert ours
    assert all((ROOT / place).is_file() for place in ours)


def ours(pattern: str) -> Iterator[Path]:
    for app in OURS:
        for file in (ROOT / app).rglob(pattern):
            if not {"migrations", "management", "api"} & set(file.parts):
                yield file


def test_a_template_holds_no_words_that_are_not_marked():
    found = {file.name: in_template(file.read_text()) for file in ours("*.html")}
    assert {name: words for name, words in found.items() if words} == {}


def test_what_django_shows_by_name_is_marked():
    found = {str(file): list(in_python(file)) for file in ours("*.py")}
    assert {name: words for name, words in found.items() if words} == {}


def test_an_unmarked_text_is_found():
    page = '{% load i18n %}<p title="Said">{% translate "All" %} of <code>x y</code></p>'
    assert in_template(page) == ["Said", "of"]
