"""Secrets out of the many small texts of one alert, at the price of one look.

Redaction runs some twenty patterns over each text that looks suspicious, and an address is enough for that. Most alerts hold no secret at
all, so their texts are looked at together first, a line apart from each other: no pattern reaches over such a gap without changing it.
Only where something was found is each text redacted on its own.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from mcp_servers.common.redaction import WINDOW, names_secret, redact, redact_tree
from mcp_servers.common.untrusted import sanitise

_GAP = "\n\x1e\n"  # a control character: sanitised texts have none
_holds_credential = lru_cache(maxsize=2_048)(names_secret)


def redacted(texts: Sequence[str]) -> list[str]:
    """Each of ``texts``, sanitised already, without secrets."""
    return list(texts) if _harmless(texts) else [redact(text) for text in texts]


def redacted_pairs(pairs: Mapping[str, str]) -> dict[str, str]:
    """``pairs`` without secrets: by what the values say, and by names that hold a credential whatever their value looks like."""
    kept = dict(pairs)
    if any(map(_holds_credential, kept)) or not _harmless(list(kept.values())):
        kept = redact_tree(kept)
    return kept


def redacted_original(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a JSON object, sanitised and redacted in this order: what cannot be seen must not hide a secret's shape."""
    leaves: list[str] = []
    suspects: list[str] = []
    copy = _sanitised(raw, leaves, suspects)
    if suspects or not _harmless(leaves):
        copy = redact_tree(copy)
    return copy if isinstance(copy, dict) else {}


def _harmless(texts: Sequence[str]) -> bool:
    """Whether none of ``texts`` holds a secret; false where they are too long to be looked at together."""
    if sum(map(len, texts)) + len(_GAP) * len(texts) > WINDOW:
        return False
    together = _GAP.join(texts)
    if "@" not in together and "hooks.slack.com" not in together:
        together = together.replace(
            "://", ":/-"
        )  # addresses without credentials in them are what most suspicion falls on
    return bool(redact(together) == together)


def _sanitised(value: Any, leaves: list[str], suspects: list[str]) -> Any:
    if isinstance(value, str):
        text = sanitise(value)
        leaves.append(text)
        return text
    if isinstance(value, Mapping):
        out = {}
        for name, inner in value.items():
            key = sanitise(str(name))
            if _holds_credential(key):
                suspects.append(key)
            out[key] = _sanitised(inner, leaves, suspects)
        return out
    if isinstance(value, list | tuple):
        return [_sanitised(inner, leaves, suspects) for inner in value]
    return value
