"""The sentences of a page, without its code, tables and headings."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.|!!! \w+|\?\?\? \w+)\s+")
_END = re.compile(r"(?<=[.?!])[\"')*]*\s+(?=[*\"'(]*[A-Z`\[])")


def paragraphs(text: str) -> list[str]:
    """Paragraphs and list items, each on one line."""
    found: list[str] = []
    fresh = True
    for line in _COMMENT.sub("", _FENCE.sub("", text)).splitlines():
        if not line.strip() or line.lstrip().startswith(("|", "#", "<", "!", "--8<--", "---")):
            fresh = True
        elif fresh or _ITEM.match(line):
            found.append(_ITEM.sub("", line).strip())
            fresh = False
        else:
            found[-1] += " " + line.strip()
    return found


def sentences(text: str) -> list[str]:
    """Sentences as a reader meets them: a link is its words, code between backticks is one word."""
    plain = [re.sub(r"`[^`]+`", "`code`", re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", one)) for one in paragraphs(text)]
    return [sentence for one in plain for sentence in _END.split(one)]


def words(sentence: str) -> int:
    """Words of a sentence: what has a letter or a digit between spaces."""
    return sum(any(sign.isalnum() for sign in word) for word in sentence.split())
