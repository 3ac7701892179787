"""`Message`: what goes to Slack in one call, and its simpler forms for the day Slack refuses the fine one."""

import json
from dataclasses import dataclass, field
from typing import Any

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """``text`` is one escaped sentence for notifications and screen readers, never empty; ``blocks`` is what is seen.

    ``simpler`` says the same with fewer means; a card that is refused for its blocks is sent once more in that form.
    """

    text: str
    blocks: list[Block] = field(default_factory=list)
    simpler: "Message | None" = None

    @property
    def same_as(self) -> str:
        """Equal for messages that look equal."""
        return json.dumps([self.text, self.blocks], sort_keys=True, ensure_ascii=False)
