"""The page of a release as an English reader sees it."""

from __future__ import annotations

import re


def in_english(page: str) -> str:
    """Return a page without its French words, and without the marks of English ones.

    Args:
        page: The HTML.
    """
    english = re.sub(r'<span class="fr"[^>]*>[^<]*</span>', "", page)
    return re.sub(r'<span class="en"[^>]*>([^<]*)</span>', r"\1", english)
