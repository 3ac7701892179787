"""Recorded incidents for the demo and the tests, and the tool that records them from a real control plane.

One folder an incident: `objects.json` (a v1 List), `logs.json`, `alert.json` (a Slack message), `case.json`. Nothing here is imported by
the bot; `sandbox.cluster` serves the folders.
"""
