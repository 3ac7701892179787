"""The RCA bot: from an alert in Slack to a cited verdict in its thread.

Rooms, top to bottom (a room may import only what stands below it; `pyproject.toml` holds the contracts):
``cli, wiring`` > ``slack`` > ``runtime`` > ``investigation`` > ``playbooks | tools | incidents`` > ``alerts`` > ``settings, observe``.
"""

__version__ = "0.1.0"
