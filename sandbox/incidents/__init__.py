"""Recorded incidents for the demo and the tests, and the tool that records them from a real control plane.

One folder an incident: `objects.json` (a v1 List), `logs.json`, `alert.json` (a Slack message), `case.json`. Nothing here is imported by
the bot; `sandbox.cluster` serves the folders.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent


class ScenarioError(LookupError):
    """No incident of that name; the message names those that there are."""


def scenarios() -> list[str]:
    """The names of the recorded incidents."""
    return sorted(p.parent.name for p in HERE.glob("*/objects.json"))


def folder_of(scenario: str) -> Path:
    """The folder of a recorded incident. Raises `ScenarioError`."""
    if scenario not in scenarios():
        raise ScenarioError(f"there is no recorded incident {scenario!r}; there are {', '.join(scenarios())}")
    return HERE / scenario
