"""Substring search on names by an index: every two neighbouring characters of a name, stored beside it.

Chinese has no spaces to split words at, and a database's text index knows none of it. A text that contains another holds
all of its pairs; the reverse is not so, and what the index finds is compared with the whole text afterwards. The last
character of a name stands alone, so that a search for one character is a search for what begins with it.
"""

from __future__ import annotations

import re
from typing import Any

from shared.records.kind import Kind
from shared.records.workflow import Image

FIELD = "grams"
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}  # （ＡＢ１） is how an input method writes (AB1)
NARROW = {wide: code for code, wide in WIDE.items()}
MOST_ASKED = 12  # pairs of a longer text narrow the search no further


def of_text(text: str) -> list[str]:
    """Its pairs and its last character, each once."""
    return list(dict.fromkeys(text[at : at + 2] for at in range(len(text))))


def of_image(kind: Kind, image: Image) -> list[str]:
    """The pairs of a record's name."""
    found: Any = image
    for part in kind.search_field.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return of_text(found) if isinstance(found, str) else []


def containing(kind: Kind, text: str) -> Image:
    """A filter: the name has `text` in it, whatever the width and case in which either is written."""
    pairs = [pair for pair in of_text(text) if len(pair) == 2][:MOST_ASKED]
    whole = "".join(f"[{''.join(map(re.escape, forms(each)))}]" for each in text)
    narrowed: list[Image] = [{FIELD: {"$in": [a + b for a in forms(pair[0]) for b in forms(pair[1])]}} for pair in pairs]
    if not pairs:
        narrowed = [{"$or": [{FIELD: {"$regex": f"^{re.escape(form)}"}} for form in forms(text)]}]
    return {"$and": [*narrowed, {kind.search_field: {"$regex": whole}}]}


def forms(character: str) -> list[str]:
    """A character as it may be written: full or half width, upper or lower case."""
    widths = [character, character.translate(WIDE), character.translate(NARROW)]
    return list(dict.fromkeys(form for each in widths for form in (each, each.lower(), each.upper()) if len(form) == 1))
