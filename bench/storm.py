"""Ten thousand alerts in a minute: what the door takes a second, how many investigations they lead to, and that none is lost."""

import asyncio
import json
import tempfile
import time
from pathlib import Path

from bench.figure import Figure
from bot.alerts.gate import startable
from bot.alerts.lead import lead
from bot.alerts.model import Alert
from bot.alerts.parse import parse
from bot.alerts.storm import Joining, Lead, fold, joining_of
from bot.incidents.store import NewWork, Store

MESSAGES = 4_000
STORM = 10_000
AT_ONCE = 200
SAMPLES = Path(__file__).parents[1] / "sandbox" / "samples"


def message(number: int) -> dict[str, object]:
    """One of many rules about one of sixty services in five namespaces, as Alertmanager posts it."""
    rule, service, space = f"ServiceErrors{number % 7}", f"svc-{number % 60}", f"team-{number % 5}"
    labels = f'alertname="{rule}", cluster="eu", namespace="{space}", service="{service}", severity="critical"'
    title = f"[FIRING:1] {rule} for {service} ({labels})"
    attachment = {"color": "danger", "fallback": title, "title": title, "text": f"*Summary:* {number % 90} % fail"}
    return {"bot_id": "B1", "ts": f"{1000 + number}.1", "text": "", "attachments": [attachment]}


def read_and_fold() -> tuple[float, int]:
    """Seconds a message for parse, fingerprint and the choice of whom it joins, and how many lead."""
    samples = [json.loads(path.read_text())["message"] for path in sorted(SAMPLES.glob("*.json"))]
    leads: list[Lead] = []
    began = time.process_time()
    for number in range(MESSAGES):
        raw = {"bot_id": "B1", "ts": "1.0", "text": "", **samples[number // 10 % len(samples)]}
        alerts = startable(parse(raw if number % 10 == 0 else message(number)))
        if not alerts:
            continue
        first, now = lead(alerts), 1_000_000.0 + number * 0.006
        joining = joining_of([first, *alerts])
        if fold(joining, first.fingerprint, leads, now) is None:
            leads.append(Lead(f"inv-{number}", first.fingerprint, joining, now, now))
    return (time.process_time() - began) / MESSAGES, len(leads)


def entry(number: int, alert: Alert, joining: Joining) -> NewWork:
    key = f"alert:T:C:{1000 + number}.1"
    ts = key.rpartition(":")[2]
    fields = {"channel": "C", "ts": ts, "root": ts, "name": alert.name, "work": "{}", "alert": "{}"}
    return NewWork(key=key, kind="alert", fingerprint=alert.fingerprint, joining=joining, foldable=True, **fields)


async def through_the_store() -> tuple[float, int, int]:
    """Seconds for the storm through the real store, how many investigations it leads to, how many alerts are written down."""
    works = []
    for number in range(STORM):
        alerts = parse(message(number)).alerts
        works.append(entry(number, lead(alerts), joining_of(alerts)))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/rca.sqlite")
        await store.open()
        try:
            began = time.perf_counter()
            for start in range(0, STORM, AT_ONCE):
                batch = works[start : start + AT_ONCE]
                joined = await asyncio.gather(*(store.fold(w) for w in batch))
                for work, admission in zip(batch, joined, strict=True):
                    if admission is None:
                        await store.admit(work)
            took = time.perf_counter() - began
            rows = await store.recent(STORM + 1)
            return took, sum(r.state != "folded" for r in rows), len(rows)
        finally:
            await store.close()


async def measure() -> list[Figure]:
    each, leading = read_and_fold()
    took, investigations, written = await through_the_store()
    return [
        Figure(
            "one message parsed, deduplicated and folded",
            each * 1_000,
            1.0,
            "ms",
            f"{1 / each:,.0f} messages/s, {leading} lead",
        ),
        Figure("10,000 alerts of a storm through the store", took, 60.0, "s", f"{STORM / took:,.0f} alerts/s"),
        Figure("investigations that 10,000 alerts lead to", investigations, 12),
        Figure("alerts of 10,000 that are lost", STORM - written, 0),
    ]
