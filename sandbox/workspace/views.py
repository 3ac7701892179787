"""Modals and the App Home: triggers that live three seconds, views with their hash, a stack of at most three."""

import copy
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.blocks.check import check_blocks
from sandbox.workspace.blocks.objects import text
from sandbox.workspace.blocks.rules import Problems, anything, boolean, one_of, record, string
from sandbox.workspace.clock import Clock
from sandbox.workspace.directory import TEAM_ID, App
from sandbox.workspace.errors import SlackError

TRIGGER_SECONDS = 3.0
MOST_PUSHED = 3

_COMMON = {
    "private_metadata": string(3000),
    "callback_id": string(255),
    "external_id": string(255),
    "clear_on_close": boolean,
    "notify_on_close": boolean,
}
VIEW = {
    "modal": record(
        {"type": one_of("modal"), "title": text(24, plain=True), "blocks": anything},
        {
            "close": text(24, plain=True),
            "submit": text(24, plain=True),
            "submit_disabled": boolean,
            **_COMMON,
        },
    ),
    "home": record({"type": one_of("home"), "blocks": anything}, dict(_COMMON)),
}


@dataclass
class View:
    id: str
    user: str
    data: dict[str, Any]
    root: str
    previous: str = ""
    hash: str = ""
    response_urls: list[str] = field(default_factory=list)

    def shape(self, bot: App, values: dict[str, Any] | None = None) -> dict[str, Any]:
        """As interaction payloads carry it; ``values`` by block id and action id."""
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "app_id": bot.app_id,
            "bot_id": bot.bot_id,
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "clear_on_close": False,
            "notify_on_close": False,
            "close": None,
            "submit": None,
            **copy.deepcopy(self.data),
            "state": {"values": values or {}},
            "hash": self.hash,
            "root_view_id": self.root,
            "previous_view_id": self.previous or None,
        }


class Views:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._triggers: dict[str, tuple[str, float]] = {}
        self.open: dict[str, View] = {}
        self.homes: dict[str, View] = {}

    def trigger(self, user: str) -> str:
        """A trigger id for what ``user`` just did: good once, for three seconds."""
        trigger_id = f"{self._clock.id('', 13)}.{self._clock.id('', 12)}.{self._clock.id('', 32).lower()}"
        self._triggers[trigger_id] = (user, self._clock.now())
        return trigger_id

    def use_trigger(self, trigger_id: object) -> str:
        """The user behind a trigger. Raises invalid_trigger_id, exchanged_trigger_id, expired_trigger_id."""
        known = self._triggers.get(trigger_id) if isinstance(trigger_id, str) else None
        if known is None:
            raise SlackError("invalid_trigger_id")
        user, at = known
        if not user:
            raise SlackError("exchanged_trigger_id")
        if self._clock.now() - at > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        self._triggers[str(trigger_id)] = ("", at)
        return user

    def add(self, user: str, data: dict[str, Any], *, on: View | None = None) -> View:
        """Open a modal, ``on`` top of another one when pushed."""
        view_id = self._clock.id("V")
        view = View(view_id, user, data, root=on.root if on else view_id, previous=on.id if on else "")
        depth, below = 1, on
        while below is not None:
            depth, below = depth + 1, self.open.get(below.previous)
        if depth > MOST_PUSHED:
            raise SlackError("push_limit_reached")
        self._stamp(view)
        self.open[view_id] = view
        return view

    def replace(self, view: View, data: dict[str, Any]) -> View:
        view.data = data
        self._stamp(view)
        return view

    def publish(self, user: str, data: dict[str, Any]) -> View:
        """Set the App Home of ``user``."""
        view = self.homes.get(user) or View(self._clock.id("V"), user, data, root="")
        view.root = view.id
        self.homes[user] = self.replace(view, data)
        return view

    def find(self, view_id: object, external_id: object = None) -> View:
        """An open view. Raises not_found."""
        for view in [*self.open.values(), *self.homes.values()]:
            if view.id == view_id or (external_id and view.data.get("external_id") == external_id):
                return view
        raise SlackError("not_found")

    def close(self, view: View, *, all_of_stack: bool = False) -> list[View]:
        """Close a view, or its whole stack; returns what was closed."""
        closing = [v for v in self.open.values() if v is view or (all_of_stack and v.root == view.root)]
        for closed in closing:
            del self.open[closed.id]
        return closing

    def _stamp(self, view: View) -> None:
        view.hash = f"{int(self._clock.now())}.{self._clock.id('h', 8).lower()}"


def check_view(view: Any, kinds: tuple[str, ...] = ("modal",)) -> dict[str, Any]:
    """``view`` when Slack would take it, with ids filled in by the caller. Raises invalid_arguments, invalid_blocks."""
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", ["must be an object [json-pointer:/view]"])
    kind = view.get("type")
    if kind not in kinds:
        raise SlackError("invalid_arguments", [f"must be one of: {', '.join(kinds)} [json-pointer:/view/type]"])
    problems = Problems()
    VIEW[kind](view, "/view", problems)
    if problems:
        raise SlackError("invalid_arguments", problems.found)
    refusal = check_blocks(view["blocks"], "modal" if kind == "modal" else "home", root="/view/blocks")
    if refusal is not None:
        raise SlackError("invalid_arguments", refusal.messages or (refusal.code,))
    has_input = any(isinstance(block, dict) and block.get("type") == "input" for block in view["blocks"])
    if kind == "modal" and has_input and not view.get("submit"):
        raise SlackError("invalid_arguments", ["missing required field: submit [json-pointer:/view]"])
    return view
