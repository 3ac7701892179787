"""A storm through the real store: a handful of investigations, nothing lost, nothing folded silently, and what does not fit splits off."""

import asyncio
import importlib.util
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.alerts.storm import Kin
from bot.incidents.ids import investigation_id
from bot.incidents.store import Store
from bot.investigation.model import Cause
from bot.investigation.still_firing import Standing
from bot.runtime.runtime import Runtime

_spec = importlib.util.spec_from_file_location("runtime_stories", Path(__file__).with_name("runtime_stories.py"))
stories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stories)


class Engine:
    """Investigates once ``go`` is set; the cause is what ``blames`` says."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.calls: list = []
        self.blames = "Deployment/shop/checkout"

    async def __call__(self, alert, *, investigation, playbook, inputs, emit, journal):
        self.calls.append(alert)
        emit(stories.progress(alert, investigation, line="looking"))
        await self.go.wait()
        cause = Cause(
            code="kubernetes.config.reference_missing", object=self.blames, confidence=0.9, title="a key is missing"
        )
        return stories.report(alert, investigation, causes=(cause,))


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def thread():
    return stories.ListThread()


@pytest.fixture
async def start(store_url, engine, thread):
    started = []

    async def _start(**more) -> Runtime:
        runtime = Runtime(Store(store_url), engine, thread, **({"drain_s": 0.2, "delivery_delays": (0.01,)} | more))
        await runtime.start()
        started.append(runtime)
        return runtime

    yield _start
    for runtime in started:
        if runtime.accepting:
            await runtime.stop()


def about(ts: str, name: str = "PodNotReady", *, channel: str = "C1", **more):
    fingerprint = more.pop("fingerprint", f"{name}-{sorted(more.items())}")
    alert = stories.alert(name, fingerprint=fingerprint).model_copy(update={"namespace": "shop", **more})
    return stories.work(ts, key=f"alert:T1:{channel}:{ts}", channel=channel, alerts=(alert,))


async def until(condition, timeout: float = 8.0) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_thousands_of_alerts_lead_to_a_handful_of_investigations_and_none_is_lost(start, engine, thread):
    runtime = await start()
    spaces = [f"team-{n}" for n in range(5)]
    works = [
        about(f"{1000 + n}.1", f"Rule{n % 7}", namespace=spaces[n % 5], service=f"svc-{n % 60}") for n in range(2000)
    ]
    began = time.monotonic()
    taken = []
    for start_at in range(0, len(works), 50):  # side by side, as events come
        taken += await asyncio.gather(*(runtime.accept(w) for w in works[start_at : start_at + 50]))
    took = time.monotonic() - began
    assert all(taken)
    keys = [w.key for w in works]
    assert await runtime.store.seen_among(keys) == set(keys)
    rows = {row.key: row for row in await runtime.recent(3000)}
    assert set(rows) == set(keys)
    leaders = {r.id for r in rows.values() if r.state != "folded"}
    assert 1 <= len(leaders) <= 12
    assert {r.into for r in rows.values() if r.state == "folded"} <= leaders
    gathered = [await runtime.store.storms.gathered(i) for i in leaders]
    assert sum(g.count for g in gathered if g) + len(leaders) == len(works)
    assert len(works) / took >= 167, f"{len(works) / took:.0f}/s"
    assert await runtime.accept(works[7]) is False


async def test_each_alert_that_joined_says_so_and_the_card_counts_them(start, engine, thread):
    runtime = await start()
    await runtime.accept(about("1.1", service="checkout"))
    await thread.until("progress")
    await runtime.accept(about("2.1", "HighErrorRate", service="checkout"))
    await runtime.accept(about("3.1", "HighLatency", service="checkout", channel="C2"))

    async def shown():
        return thread.counts.get("1.1") == 2 and len(thread.reasons) == 2

    await until(shown)
    assert thread.reasons == {"2.1": "also about checkout in shop", "3.1": "also about checkout in shop"}
    assert [d for k, d in thread.said if k == "folded"] == ["C1 1.1", "C1 1.1"]
    gathered = await runtime.store.storms.gathered(investigation_id("alert:T1:C1:1.1"))
    assert (gathered.count, gathered.elsewhere, gathered.places) == (2, 1, 1)
    assert [j.name for j in gathered.first] == ["HighErrorRate", "HighLatency"]
    assert len(engine.calls) == 1


async def test_many_in_one_storm_are_marked_only_so_that_threads_stay_quiet(start, engine, thread):
    runtime = await start()
    await runtime.accept(about("1.1", service="checkout"))
    await asyncio.gather(*(runtime.accept(about(f"{n}.2", f"Rule{n}", service="checkout")) for n in range(20)))

    async def told():
        return not await runtime.store.storms.untold(1)

    await until(told)
    assert (thread.kinds().count("folded"), thread.kinds().count("marked")) == (12, 8)


async def test_what_joined_before_the_checks_began_is_evidence(start, engine, thread):
    from bot.settings import LimitSettings

    runtime = await start(limits=LimitSettings(parallel_investigations=1))
    await runtime.accept(about("1.1", "Other", namespace="bank", service="ledger"))
    await thread.until("progress")
    await runtime.accept(about("2.1", service="checkout"))
    await runtime.accept(about("3.1", "HighLatency", service="checkout", summary="p99 is 2 s"))
    engine.go.set()

    async def both():
        return len(engine.calls) == 2

    await until(both)
    assert [(s.name, s.text) for s in engine.calls[1].siblings] == [("HighLatency", "p99 is 2 s")]


async def test_the_verdict_does_not_speak_of_it_so_it_splits_off(start, engine, thread):
    runtime = await start()
    await runtime.accept(about("1.1", service="checkout"))
    await thread.until("progress")
    await runtime.accept(about("2.1", service="payments"))  # the same rule beside it
    await runtime.accept(about("3.1", "Errors", service="checkout"))
    engine.go.set()

    async def apart():
        return len(engine.calls) == 2 and not await runtime.store.unfinished()

    await until(apart)
    assert [a.service for a in engine.calls] == ["checkout", "payments"]
    report = await runtime.report(investigation_id("split:alert:T1:C1:2.1"))
    assert report.notes[0].startswith(
        "it had joined the investigation of PodNotReady, which does not speak of payments"
    )


async def test_a_process_killed_right_after_its_verdict_splits_off_at_its_next_start(
    start, engine, thread, monkeypatch
):
    runtime = await start()
    monkeypatch.setattr(runtime._storms, "split", lambda work, report: asyncio.sleep(60))  # the process ends in it
    await runtime.accept(about("1.1", service="checkout"))
    await thread.until("progress")
    await runtime.accept(about("2.1", service="payments"))
    engine.go.set()
    await thread.until("finished")
    await runtime.stop()
    assert len(engine.calls) == 1

    again = await start()
    await until(lambda: _known(again, "split:alert:T1:C1:2.1"))
    await again.stop()
    later = await start()  # nothing is left to split off
    await until(lambda: _over(later))
    assert [a.service for a in engine.calls] == ["checkout", "payments"]


async def _known(runtime, key: str) -> bool:
    row = await runtime.store.get(investigation_id(key))
    return row is not None and row.state == "done"


async def test_a_node_that_is_to_blame_explains_what_names_no_node(start, engine, thread):
    runtime = await start()
    engine.blames = "Node/worker-7"
    await runtime.accept(about("1.1", service="checkout"))
    await thread.until("progress")
    await runtime.accept(about("2.1", service="payments"))
    engine.go.set()
    await thread.until("finished")
    await until(lambda: _over(runtime))
    assert len(engine.calls) == 1


async def _over(runtime) -> bool:
    return not await runtime.store.unfinished()


async def test_what_a_playbook_gathers_joins(start, engine, thread):
    runtime = await start(kin=lambda alert: (Kin(same="namespace", names=("Kube*",)),))
    await runtime.accept(about("1.1", "MongodbDown", service="carts"))
    await runtime.accept(about("2.1", "KubePodCrashLooping", service="orders"))
    assert (await runtime.store.get(investigation_id("alert:T1:C1:2.1"))).state == "folded"


async def test_a_restart_goes_on_telling(start, engine, thread, store_url):
    from bot.runtime.stages import new_work

    store = Store(store_url)
    await store.open()
    await store.admit(new_work(about("1.1", service="checkout")))
    await store.admit(new_work(about("2.1", "Errors", service="checkout")))
    await store.close()
    engine.go.set()
    await start()
    assert await thread.until("folded") == "C1 1.1"


async def test_an_alert_that_is_over_by_now_gets_that_as_its_verdict_unless_somebody_asks(start, engine, thread):
    async def look(alert, *, seen_at):
        return Standing("over", alert, "Alertmanager lists others beside it, and not this one")

    runtime = await start(look=look)
    engine.go.set()
    await runtime.accept(about("1.1", service="checkout"))
    assert await thread.until("finished") == "Resolved meanwhile: PodNotReady in shop does not fire any more."
    await until(lambda: _over(runtime))
    assert engine.calls == []
    assert (await runtime.recent())[0].verdict == "resolved"
    await runtime.accept(about("1.1", service="checkout").model_copy(update={"key": "run:again"}))
    await until(lambda: _called(engine))


async def _called(engine) -> bool:
    return bool(engine.calls)


async def test_a_late_alert_without_a_time_of_its_own_began_when_it_was_posted(start, engine, thread):
    runtime = await start()
    engine.go.set()
    posted = datetime.now(UTC) - timedelta(hours=1)
    await runtime.accept(about(f"{posted.timestamp():.6f}", service="checkout"))
    await thread.until("finished")
    assert abs(engine.calls[0].starts_at - posted) < timedelta(seconds=1)
