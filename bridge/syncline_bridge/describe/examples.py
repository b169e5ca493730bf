"""Examples in the OpenAPI document: requests and answers, each under a sentence that says what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shown = Mapping[str, Any]
"""Bodies by their sentences: JSON values, and text of event streams."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one operation."""

    requests: Shown = field(default_factory=dict)
    answers: Mapping[int, Shown] = field(default_factory=dict)
    """Those of each status that has any."""


def with_examples(content: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """Return the content of a request or an answer with examples of it."""
    if not shown:
        return dict(content)
    examples = {sentence: {"summary": sentence, "value": value} for sentence, value in shown.items()}
    return {media_type: {**described, "examples": examples} for media_type, described in content.items()}
