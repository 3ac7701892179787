"""Composition objects: text, options, confirmation dialogs, images."""

from typing import Any

from sandbox.workspace.blocks.rules import Problems, Rule, anything, array, boolean, one_of, record, string, url

ID = string(255, 1)


def text(most: int, *, plain: bool = False, least: int = 1) -> Rule:
    """A text object of at most ``most`` characters; ``plain``: only plain_text may stand here."""
    kinds = one_of("plain_text") if plain else one_of("plain_text", "mrkdwn")
    return record(
        {"type": kinds, "text": string(most, least)},
        {"emoji": boolean, "verbatim": boolean},
        also=_text_flags,
    )


def _text_flags(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    if value.get("type") == "mrkdwn" and "emoji" in value:
        problems.add(pointer, "invalid additional property: emoji")
    if value.get("type") == "plain_text" and "verbatim" in value:
        problems.add(pointer, "invalid additional property: verbatim")


CONFIRM = record(
    {"title": text(100, plain=True), "text": text(300), "confirm": text(30, plain=True), "deny": text(30, plain=True)},
    {"style": one_of("primary", "danger")},
)
OPTION = record(
    {"text": text(75), "value": string(150, 1)},
    {"description": text(75), "url": url()},
)
OPTION_GROUP = record({"label": text(75, plain=True), "options": array(OPTION, 100)})
SLACK_FILE = record(optional={"id": string(255, 1), "url": url()}, any_of=("id", "url"))


def image_source(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    """Exactly one of image_url and slack_file; a file must be uploaded, scanned and an image."""
    address, upload = value.get("image_url"), value.get("slack_file")
    if address is not None and upload is not None:
        problems.add(pointer, "only one of image_url and slack_file is allowed")
    file_id = upload.get("id") if isinstance(upload, dict) else None
    if isinstance(file_id, str) and problems.file_ready is not None and not problems.file_ready(file_id):
        problems.add(f"{pointer}/slack_file", "invalid slack file")


IMAGE_ELEMENT = record(
    {"type": one_of("image"), "alt_text": string(2000, 1)},
    {
        "image_url": url(),
        "slack_file": SLACK_FILE,
        "image_width": anything,
        "image_height": anything,
        "image_bytes": anything,
    },
    any_of=("image_url", "slack_file"),
    also=image_source,
)
