"""What an agent does with a prompt here: plain text work with the same answer every time."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from typing import Any

DIMENSIONS = 64
_COMMON = frozenset(
    re.findall(
        r"\w+", "a an and are as at be been but by for from has have in is it its of on or that the this to was with"
    )
)


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.lower())


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n{2,}", text) if part.strip()]


def answer(prompt: str) -> dict[str, Any]:
    """Counts, key words, and the sentence that says most of them."""
    found = words(prompt)
    weights = Counter(word for word in found if word not in _COMMON and len(word) > 2)
    ranked = sorted(weights, key=lambda word: (-weights[word], word))
    candidates = sentences(prompt)
    best = max(candidates, key=lambda part: _weight(part, weights), default="")
    return {
        "words": len(found),
        "sentences": len(candidates),
        "keywords": ranked[:5],
        "summary": best,
    }


def _weight(sentence: str, weights: Counter[str]) -> float:
    found = words(sentence)
    return sum(weights[word] for word in found) / math.sqrt(len(found) or 1)


def embedding(text: str) -> list[float]:
    """Words hashed into a unit vector."""
    values = [0.0] * DIMENSIONS
    for word in words(text):
        values[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
    length = math.sqrt(sum(value * value for value in values))
    if not length:
        values[0] = length = 1.0
    return [value / length for value in values]
