"""How many tokens a text costs a model, near enough to hold a budget, without a tokenizer's dictionary.

Byte-pair encoders first split a text at letters, digits and signs, and then need more than one piece for long words only. Counting these
pieces comes within about a tenth of the common encoders for English and for JSON, which is what tools say and answer.
"""

import json
import re
from typing import Any, Final

from bot.tools.inventory import ToolInfo

_PIECES = re.compile(r"_?[A-Za-z]+|[0-9]{1,3}|[^\w\s]+|\w")
_WORD: Final = 9  # letters that one piece holds
_SIGNS: Final = 3


def tokens(text: str) -> int:
    """About how many tokens ``text`` has."""
    total = 0
    for piece in _PIECES.findall(text):
        total += -(-len(piece) // (_WORD if piece[-1].isalpha() else _SIGNS))
    return total


def definition_tokens(info: ToolInfo) -> int:
    """About how many tokens the definition of a tool costs in every prompt that offers it: its name, description and arguments."""
    definition: dict[str, Any] = {"name": info.tool, "description": info.description, "parameters": info.schema}
    return tokens(json.dumps(definition, ensure_ascii=False, separators=(",", ":")))
