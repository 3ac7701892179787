"""The door of the block rules: a whole list of blocks on one surface, with the limits that go across blocks."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.workspace.blocks.data import TABLE_CHARACTERS, characters
from sandbox.workspace.blocks.kinds import SURFACES, Surface
from sandbox.workspace.blocks.rules import Problems

MOST_BLOCKS: dict[Surface, int] = {"message": 50, "stream": 50, "modal": 100, "home": 100}
MARKDOWN_CHARACTERS = 12_000
MOST_CHARTS = 2


@dataclass(frozen=True)
class Refusal:
    """Why a list of blocks is refused: Slack's error code and its messages, each with a JSON pointer."""

    code: str
    messages: tuple[str, ...] = ()


def check_blocks(
    blocks: Any,
    surface: Surface = "message",
    *,
    root: str = "/blocks",
    file_ready: Callable[[str], bool] | None = None,
) -> Refusal | None:
    """`Refusal` where Slack would refuse ``blocks`` (any JSON) on ``surface``, else None. Never raises.

    ``root`` is where the list stands in the payload (for the pointers); ``file_ready(file_id)`` says whether an uploaded image may be
    shown already; without it every file id is taken.
    """
    if not isinstance(blocks, list):
        return Refusal("invalid_blocks_format")
    most = MOST_BLOCKS[surface]
    problems = Problems(file_ready=file_ready)
    if len(blocks) > most:
        problems.add(root, f"no more than {most} items allowed")
    for index, block in enumerate(blocks[:most]):
        SURFACES[surface](block, f"{root}/{index}", problems)
    _unique_ids(blocks, root, problems)
    _across(blocks, root, problems)
    if problems:
        return Refusal("invalid_blocks", tuple(problems.found))
    if sum(len(block["text"]) for block in _of(blocks, "markdown")) > MARKDOWN_CHARACTERS:
        return Refusal("msg_blocks_too_long", (f"markdown blocks hold more than {MARKDOWN_CHARACTERS} characters",))
    return None


def _of(blocks: list[Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in blocks if isinstance(block, dict) and block.get("type") == kind]


def _nested(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield block
    for key in ("child_blocks", "elements", "tasks", "actions"):
        children = block.get(key)
        for child in children if isinstance(children, list) else []:
            if isinstance(child, dict):
                yield child


def _unique_ids(blocks: list[Any], root: str, problems: Problems) -> None:
    ids: Counter[str] = Counter()
    for block in blocks:
        if isinstance(block, dict):
            ids.update(entry["block_id"] for entry in _nested(block) if isinstance(entry.get("block_id"), str))
            actions = Counter(
                element["action_id"] for element in _nested(block) if isinstance(element.get("action_id"), str)
            )
            for action_id, count in actions.items():
                if count > 1 and block.get("type") in ("actions", "context_actions"):
                    problems.add(f"{root}/{blocks.index(block)}", f"`action_id` {action_id[:60]} already exists")
    for block_id, count in ids.items():
        if count > 1:
            problems.add(root, f"`block_id` {block_id[:60]} already exists")


def _across(blocks: list[Any], root: str, problems: Problems) -> None:
    if len(_of(blocks, "data_visualization")) > MOST_CHARTS:
        problems.add(root, f"no more than {MOST_CHARTS} data_visualization blocks allowed")
    tables = _of(blocks, "table")
    if len(tables) > 1 and characters([table.get("rows") for table in tables]) > TABLE_CHARACTERS:
        problems.add(root, f"must be less than {TABLE_CHARACTERS + 1} characters in all tables of a message")
