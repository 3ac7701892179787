"""Tool definitions are pinned: a description that changes after it was approved is how a server would instruct a model behind our back."""

from collections.abc import Mapping


class Pins:
    """The sha256 of each tool's definition, as configured by hand or as first seen; kept over reconnects, for the process's life."""

    def __init__(self, by_hand: Mapping[str, str]) -> None:
        self._configured = {tool: sha.strip().lower() for tool, sha in by_hand.items()}
        self._seen: dict[str, str] = {}

    def check(self, tool: str, sha256: str) -> str:
        """Pin ``tool`` where it is new; "" when its definition is the pinned one, else one line that says what changed and what to do."""
        configured = self._configured.get(tool)
        if configured is not None and configured != sha256:
            was, now = configured[:12], sha256[:12]
            return (
                f"its definition ({now}) is not the pinned one ({was}); review the tool, then set its pin to {sha256}"
            )
        first = self._seen.setdefault(tool, sha256)
        if first != sha256:
            return f"its definition changed since it was first seen ({first[:12]} -> {sha256[:12]}); review the tool, then restart the bot"
        return ""
