"""Rate limits as Slack applies them: a tier per method and workspace, and one message a second per channel with a short burst."""

import math
import time
from dataclasses import dataclass

TIERS = {1: 1, 2: 20, 3: 50, 4: 100}  # calls a minute

METHOD_TIERS: dict[str, int] = {
    "apps.connections.open": 3,
    "bots.info": 3,
    "chat.appendStream": 4,
    "chat.delete": 3,
    "chat.postEphemeral": 4,
    "chat.startStream": 2,
    "chat.stopStream": 2,
    "chat.update": 3,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.join": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.replies": 3,
    "files.completeUploadExternal": 4,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "reactions.add": 3,
    "reactions.get": 3,
    "reactions.remove": 2,
    "team.info": 3,
    "usergroups.list": 2,
    "usergroups.users.list": 2,
    "users.info": 4,
    "users.list": 2,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}
# Methods with limits of their own, calls a minute: the workspace-wide cap of posting, and the status line.
SPECIAL: dict[str, int] = {
    "chat.postMessage": 300,
    "assistant.threads.setStatus": 600,
    "agents.sessions.setStatus": 600,
}
POST_BURST = 10
POSTS_PER_SECOND = 1.0


@dataclass
class Bucket:
    """A token bucket: ``size`` calls at once, ``per_second`` after that."""

    size: float
    per_second: float
    level: float
    at: float

    def take(self, now: float) -> float:
        """Seconds until a call is possible; 0 takes a token."""
        self.level = min(self.size, self.level + (now - self.at) * self.per_second)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_second


class Limits:
    """Buckets by token and method. ``enabled`` may be switched at any time."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._buckets: dict[tuple[str, str, str], Bucket] = {}

    def wait(self, token: str, method: str, channel: str = "") -> int:
        """Whole seconds for Retry-After, or 0 when the call may go through (which uses it up)."""
        if not self.enabled:
            return 0
        waits = [0.0]
        if method == "chat.postMessage" and channel:
            waits.append(self._take((token, method, channel), POST_BURST, POSTS_PER_SECOND))
        if method in SPECIAL:
            waits.append(self._take((token, method, ""), SPECIAL[method], SPECIAL[method] / 60))
        elif method in METHOD_TIERS:
            calls = TIERS[METHOD_TIERS[method]]
            waits.append(self._take((token, method, ""), calls, calls / 60))
        return math.ceil(max(waits))

    def _take(self, key: tuple[str, str, str], size: float, per_second: float) -> float:
        now = time.monotonic()
        bucket = self._buckets.setdefault(key, Bucket(size, per_second, size, now))
        return bucket.take(now)
