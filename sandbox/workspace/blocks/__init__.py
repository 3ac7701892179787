"""Block Kit as Slack's servers check it: unknown types, missing fields, limits, and what may stand on which surface.

Rules are data (`kinds`, `elements`, `rich`, `data`) made of the few combinators in `rules`; `check.check_blocks` is the door.
"""
