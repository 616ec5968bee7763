"""Texts of ours that people read and that nobody marked: of templates, and of what Django shows by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.template.base import Lexer, TokenType

from tests.integration.visible import visible

WORD = re.compile("[A-Za-z]{2,}")
SHOWN = {"description", "help_text", "verbose_name", "verbose_name_plural", "empty_text", "search_help_text"}


def in_template(source: str) -> list[str]:
    """Words outside of what is translated, code aside."""
    plain, skipped = [], ""
    for token in Lexer(source).tokenize():
        if token.token_type is TokenType.BLOCK:
            name = token.contents.split()[0]
            if skipped == name:
                skipped = ""
            elif name in ("blocktranslate", "blocktrans", "comment"):
                skipped = f"end{name}"
        elif token.token_type is TokenType.TEXT and not skipped:
            plain.append(token.contents)
    return [text for text in visible("".join(plain)) if WORD.search(text)]


def in_python(file: Path) -> Iterator[str]:
    """What is given as it stands where Django shows it to people."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        names: list[str | None] = []
        if isinstance(node, ast.keyword):
            names = [node.arg]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if SHOWN.intersection(names) and isinstance(node.value, ast.Constant) and node.value.value:
            yield str(node.value.value)
