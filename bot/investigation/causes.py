"""The vocabulary of root causes: every code a verdict may name, with the sentence that explains it."""

from functools import cache
from importlib import resources

import yaml


@cache
def vocabulary() -> dict[str, str]:
    """Code ("kubernetes.image.not_found") to what it says ("the image or tag does not exist")."""
    text = resources.files("bot.investigation").joinpath("causes.yaml").read_text(encoding="utf-8")
    groups: dict[str, dict[str, str]] = yaml.safe_load(text)
    return {f"{group}.{code}": says for group, codes in groups.items() for code, says in codes.items()}


def says(code: str) -> str:
    """What a code means; the code itself where the vocabulary does not know it."""
    return vocabulary().get(code, code)
