"""Messages read a second: parse, fingerprint and the choice of who leads, over the sandbox's samples and what teams write themselves."""

import itertools
import json
import time
from pathlib import Path

from bench.figure import Figure
from bot.alerts.gate import startable
from bot.alerts.lead import lead
from bot.alerts.parse import parse

MESSAGES = 4_000
LONG = 100_000  # characters
SAMPLES = Path(__file__).parents[1] / "sandbox" / "samples"
TEMPLATES = (
    "🚨 *HighErrorRate*\n> namespace: `ledger`\n> severity: critical",
    "[P1] HighErrorRate {n}\nnamespace: ledger\npod: ledger-api-6f7d8c9b5-k4x7z",
    "Deployed ledger v1.2.{n} to production",
    "告警名称: HighErrorRate\n告警级别: 警告\n命名空间: ledger",
)


async def measure() -> list[Figure]:
    samples = [json.loads(path.read_text())["message"] for path in sorted(SAMPLES.glob("*.json"))]
    messages = [{"bot_id": "B1", "ts": "1.0", "text": "", **sample} for sample in samples]
    messages += [{"bot_id": "B1", "ts": "1.0", "text": text} for text in TEMPLATES]
    seen: dict[str, int] = {}
    started = time.process_time()
    for number, message in enumerate(itertools.islice(itertools.cycle(messages), MESSAGES)):
        text = str(message["text"]).replace("{n}", str(number))
        alerts = startable(parse({**message, "text": text}))
        if alerts:
            first = lead(alerts)
            seen[first.fingerprint] = seen.get(first.fingerprint, 0) + 1
    each = (time.process_time() - started) / MESSAGES
    long = "[FIRING:1] HighErrorRate\n" + "namespace: a-b is down | x=y *c*: d " * (LONG // 36)
    started = time.process_time()
    parse({"bot_id": "B1", "text": long, "attachments": [{"title": long, "text": long}]})
    took = time.process_time() - started
    return [
        Figure(
            "one message read, deduplicated and given a lead",
            each * 1_000,
            1.0,
            "ms",
            f"{1 / each:,.0f} messages/s; {len(seen)} different alerts among {sum(seen.values())}",
        ),
        Figure("a message of three times 100 KB", took * 1_000, 500, "ms"),
    ]
