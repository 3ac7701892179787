"""Filters: one JSON line in, one out, never stopping on a bad line."""

import json
import sys
from collections.abc import Callable
from typing import Any


def filter_lines(handle: Callable[[str], dict[str, Any]], *, jsonl: bool) -> int:
    """Apply ``handle`` to standard input: line by line with ``jsonl``, else to the whole of it as one value."""
    source = sys.stdin.reconfigure if hasattr(sys.stdin, "reconfigure") else None
    if source is not None:
        source(encoding="utf-8", errors="replace")
    lines = sys.stdin if jsonl else [sys.stdin.read()]
    failed = False
    for line in lines:
        if not line.strip():
            continue
        answer = handle(line)
        failed = failed or "error" in answer
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, default=str, indent=None if jsonl else 2) + "\n")
        if jsonl:
            sys.stdout.flush()
    return 1 if failed and not jsonl else 0
