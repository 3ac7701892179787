"""Messages that a person can post with one click: JSON files of {title, sender, channel, description, message}."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent.parent / "samples"
MOST_BYTES = 200_000


@dataclass(frozen=True)
class Sample:
    """``sender`` is a person's name or an app's; ``messages`` are posted in order."""

    id: str
    title: str
    sender: str
    channel: str
    description: str
    messages: tuple[dict[str, Any], ...]

    def shape(self) -> dict[str, str]:
        return {
            "id": self.id,
            "title": self.title,
            "sender": self.sender,
            "channel": self.channel,
            "description": self.description,
        }


def load_samples(folder: Path) -> dict[str, Sample]:
    """Every readable sample by id (the file's name), in the order of the names. A broken file is left out with a warning."""
    samples = {}
    for path in sorted(folder.glob("*.json")):
        try:
            samples[path.stem] = _read(path)
        except (OSError, ValueError) as error:
            log.warning("sample %s is left out: %s", path.name, error)
    return samples


def _read(path: Path) -> Sample:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES} bytes")
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a broken file, not a broken call
    message = data.get("message")
    listed = message if isinstance(message, list) else [message]
    messages = [entry for entry in listed if isinstance(entry, dict)]
    if not messages or len(messages) != len(listed):
        raise ValueError("`message` must be an object or a list of objects")
    return Sample(
        id=path.stem,
        title=str(data.get("title") or path.stem),
        sender=str(data.get("sender") or "Alertmanager"),
        channel=str(data.get("channel") or "#alerts"),
        description=str(data.get("description") or ""),
        messages=tuple(messages),
    )
