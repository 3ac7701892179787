"""Files: the three calls of files_upload_v2 and what is known of a file before and after it is scanned."""

import mimetypes
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.clock import Clock
from sandbox.workspace.directory import TEAM_ID
from sandbox.workspace.errors import SlackError

MOST_BYTES = 20_000_000  # of one file; Slack takes a gigabyte, this machine's memory does not
SNIPPET_BYTES = 1_000_000
PREVIEW_CHARACTERS = 1_000
IMAGES = ("image/png", "image/jpeg", "image/gif")


@dataclass
class File:
    """One upload. Until ``scanned`` Slack shows neither mimetype nor shares, and an image block may not name it."""

    id: str
    name: str
    length: int
    user: str
    created: int
    snippet_type: str = ""
    alt_text: str = ""
    title: str = ""
    content: bytes | None = None
    completed: bool = False
    scanned: bool = False
    shares: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mimetype(self) -> str:
        if self.snippet_type:
            return "text/plain"
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    @property
    def is_text(self) -> bool:
        return bool(self.snippet_type) or self.mimetype.startswith("text/") or self.mimetype == "application/json"

    def shape(self, base_url: str) -> dict[str, Any]:
        """As files.info shows it. ``base_url`` ends with a slash."""
        suffix = self.name.rpartition(".")[2] if "." in self.name else ""
        shape: dict[str, Any] = {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype if self.scanned else "",
            "filetype": (self.snippet_type or suffix) if self.scanned else "",
            "pretty_type": "",
            "user": self.user,
            "user_team": TEAM_ID,
            "editable": bool(self.snippet_type),
            "size": len(self.content or b""),
            "mode": "snippet" if self.snippet_type else "hosted",
            "is_external": False,
            "is_public": bool(self.shares),
            "public_url_shared": False,
            "alt_txt": self.alt_text,
            "url_private": f"{base_url}ui/file/{self.id}",
            "url_private_download": f"{base_url}ui/file/{self.id}",
            "permalink": f"{base_url}ui/file/{self.id}",
            "channels": [share["channel"] for share in self.shares],
            "file_access": "visible",
            "has_rich_preview": False,
        }
        if self.scanned:
            shape["shares"] = {"public": {share["channel"]: [share["at"]] for share in self.shares}}
        if self.scanned and self.is_text:
            text = (self.content or b"").decode("utf-8", "replace")
            shape |= {
                "preview": text[:PREVIEW_CHARACTERS],
                "lines": text.count("\n") + 1,
                "preview_is_truncated": len(text) > PREVIEW_CHARACTERS,
            }
        return shape


class Files:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.all: dict[str, File] = {}
        self._tickets: dict[str, str] = {}

    def begin(self, name: str, length: int, user: str, *, snippet_type: str, alt_text: str) -> tuple[File, str]:
        """A place for a file and the ticket of its upload address."""
        if snippet_type and length > SNIPPET_BYTES:
            raise SlackError("snippet_too_large")
        file = File(self._clock.id("F"), name, length, user, int(self._clock.now()), snippet_type, alt_text)
        ticket = self._clock.id("up", 24)
        self.all[file.id] = file
        self._tickets[ticket] = file.id
        return file, ticket

    def receive(self, ticket: str, content: bytes) -> File | None:
        """Take the bytes; None when nobody asked for this upload, or it came already."""
        file_id = self._tickets.pop(ticket, None)
        if file_id is None:
            return None
        file = self.all[file_id]
        file.content = content
        return file

    def get(self, file_id: object) -> File:
        """A file whose bytes have come. Raises file_not_found."""
        file = self.all.get(file_id) if isinstance(file_id, str) else None
        if file is None or file.content is None:
            raise SlackError("file_not_found")
        return file

    def ready(self, file_id: str) -> bool:
        """May an image block show it already?"""
        file = self.all.get(file_id)
        return file is not None and file.scanned and file.mimetype in IMAGES
