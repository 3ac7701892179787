"""Choosing a playbook for one alert among a hundred: the shipped ones, and copies of them under other names until there are a hundred."""

import json
import time
from dataclasses import replace
from pathlib import Path

from bench.figure import Figure
from bot.alerts.lead import lead
from bot.alerts.parse import parse
from bot.playbooks.loader import Library, load_library
from bot.playbooks.router import Router

PLAYBOOKS = 100
ROUNDS = 40
SAMPLES = Path(__file__).parents[1] / "sandbox" / "samples"


def hundred() -> Library:
    """A library of `PLAYBOOKS`; copies come last and never win over their originals."""
    library = load_library(())
    books = dict(library.playbooks)
    originals = [b for b in books.values() if not b.default]
    number = 0
    while len(books) < PLAYBOOKS:
        original = originals[number % len(originals)]
        name = f"{original.id[:50]}-copy-{number}"
        books[name] = original.model_copy(update={"id": name, "priority": original.priority - 1, "aliases": ()})
        number += 1
    return replace(library, playbooks=books)


async def measure() -> list[Figure]:
    router = Router(hundred())
    messages = [json.loads(path.read_text())["message"] for path in sorted(SAMPLES.glob("*.json"))]
    parsed = [parse({"bot_id": "B1", "ts": "1.0", "text": "", **m}) for m in messages]
    alerts = [lead(p.alerts) for p in parsed if p.alerts]
    alerts += [
        alerts[0].model_copy(update={"name": f"TeamRule{n}", "summary": f"queue {n} is slow"}) for n in range(20)
    ]
    took = []
    for _ in range(ROUNDS):
        for alert in alerts:
            began = time.process_time()
            router.choose(alert)
            took.append((time.process_time() - began) * 1_000)
    took.sort()
    detail = f"median {took[len(took) // 2]:.2f} ms over {len(alerts)} alerts"
    return [Figure("one alert routed among 100 playbooks, p95", took[int(len(took) * 0.95)], 10, "ms", detail)]
