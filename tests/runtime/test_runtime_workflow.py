"""What happens to accepted work: once, in order, visibly, and to an end."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

from bot.incidents.ids import investigation_id
from bot.incidents.store import Store
from bot.runtime.contracts import DeliveryError
from bot.runtime.lock import StoreInUse
from bot.runtime.runtime import NotAccepting, Runtime
from bot.settings import LimitSettings

_spec = importlib.util.spec_from_file_location("runtime_stories", Path(__file__).with_name("runtime_stories.py"))
stories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stories)


class Engine:
    """An investigation that the test steers: it waits for ``go`` and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.cancelled = 0

    async def __call__(self, alert, *, investigation, playbook, inputs, emit, journal):
        self.calls.append(alert.name)
        emit(stories.progress(alert, investigation, line="looking"))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return stories.report(alert, investigation)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def thread():
    return stories.ListThread()


@pytest.fixture
async def start(store_url, engine, thread):
    """Starts a runtime on the test's store; all are stopped at the end."""
    started = []

    async def _start(**more) -> Runtime:
        more = {"drain_s": 0.2, "delivery_delays": (0.01, 0.01)} | more
        runtime = Runtime(Store(store_url), more.pop("investigate", engine), thread, **more)
        await runtime.start()
        started.append(runtime)
        return runtime

    yield _start
    for runtime in started:
        if runtime.accepting:
            await runtime.stop()


async def test_an_alert_is_opened_investigated_and_finished(start, engine, thread):
    runtime = await start()
    engine.go.set()
    assert await runtime.accept(stories.work()) is True
    assert "checkout crashes" in await thread.until("finished")
    assert thread.kinds()[0] == "opened"
    row = (await settled(runtime))[0]
    assert (row.state, row.verdict, row.playbook) == ("done", "confirmed", "kube-pod-crash-looping")
    assert (await runtime.report(row.id)).id == row.id


async def test_the_same_message_again_starts_nothing(start, engine, thread):
    runtime = await start()
    engine.go.set()
    answers = await asyncio.gather(*(runtime.accept(stories.work()) for _ in range(5)))
    await thread.until("finished")
    assert sorted(answers) == [False, False, False, False, True]
    assert await runtime.accept(stories.work()) is False
    assert engine.calls == ["KubePodCrashLooping"]


async def test_the_first_sign_does_not_wait_for_a_free_slot(start, engine, thread):
    runtime = await start(limits=LimitSettings(parallel_investigations=1))
    await runtime.accept(stories.work("1.1"))
    await thread.until("progress")
    await runtime.accept(stories.work("2.2", alerts=(stories.alert("Other"),)))
    async with asyncio.timeout(2):
        while investigation_id("alert:T1:C1:2.2") not in [d for k, d in thread.said if k == "opened"]:
            await asyncio.sleep(0.01)
    assert engine.calls == ["KubePodCrashLooping"]
    assert ("progress", "waiting: 1 other investigations are running") in thread.said


async def test_a_repetition_while_it_runs_points_to_the_running_one(start, engine, thread):
    runtime = await start()
    await runtime.accept(stories.work("1.1"))
    await thread.until("progress")
    await runtime.accept(stories.work("2.2"))
    assert await thread.until("folded") == "C1 1.1"
    assert {d for k, d in thread.said if k == "opened"} == {investigation_id("alert:T1:C1:1.1")}
    assert engine.calls == ["KubePodCrashLooping"]


async def test_resolved_alerts_start_nothing_and_are_recorded(start, engine, thread):
    runtime = await start()
    engine.go.set()
    await runtime.accept(stories.work("1.1"))
    await thread.until("finished")
    over = stories.work("5.5", alerts=(stories.alert(status="resolved"),))
    assert await runtime.accept(over) is True
    assert await runtime.accept(over) is False
    assert len(engine.calls) == 1
    assert (await runtime.store.resolved("C1", "KubePodCrashLooping", "5.5")).status == "resolved"


async def test_stop_really_cancels_the_running_investigation(start, engine, thread):
    runtime = await start()
    await runtime.accept(stories.work())
    await thread.until("progress")
    running = runtime.running()[0]
    assert await runtime.cancel(running.investigation, "U1") is True
    assert await thread.until("stopped") == "U1"
    assert engine.cancelled == 1
    assert runtime.running() == []
    assert (await settled(runtime))[0].state == "stopped"
    assert await runtime.cancel(running.investigation, "U1") is False


async def test_stop_reaches_one_that_is_still_waiting(start, engine, thread):
    runtime = await start(limits=LimitSettings(parallel_investigations=1))
    await runtime.accept(stories.work("1.1"))
    await thread.until("progress")
    await runtime.accept(stories.work("2.2", alerts=(stories.alert("Other"),)))
    assert await runtime.cancel(investigation_id("alert:T1:C1:2.2"), "U1") is True
    assert await thread.until("stopped") == "U1"
    engine.go.set()
    await thread.until("finished")
    await settled(runtime)
    assert engine.calls == ["KubePodCrashLooping"]


async def test_an_investigation_that_fails_says_so_in_one_line_without_secrets(start, engine, thread):
    runtime = await start()
    engine.error = RuntimeError("login with password=hunter2hunter2 failed\nand more")
    engine.go.set()
    await runtime.accept(stories.work())
    said = await thread.until("failed")
    assert "RuntimeError" in said
    assert "Re-run" in said
    assert "hunter2" not in said
    assert "\n" not in said
    assert (await settled(runtime))[0].state == "failed"


async def test_an_investigation_that_takes_too_long_ends_and_names_what_it_waited_for(start, engine, thread):
    runtime = await start(limits=LimitSettings(investigation_s=0.1))
    await runtime.accept(stories.work())
    said = await thread.until("failed")
    assert "longer than 0.1 s" in said
    assert "What is crashing" in said
    assert engine.cancelled == 1


async def test_a_message_that_cannot_be_read_gets_its_line(start, engine, thread):
    runtime = await start()
    await runtime.accept(stories.work(alerts=(), trouble="The attachment has no text."))
    assert await thread.until("failed") == "The attachment has no text."
    assert engine.calls == []
    assert "opened" not in thread.kinds()


async def test_delivery_is_tried_again_when_slack_is_away(start, engine, thread):
    runtime = await start()
    thread.refuse = [DeliveryError("away", permanent=False), DeliveryError("away", permanent=False)]
    engine.go.set()
    await runtime.accept(stories.work())
    await thread.until("finished")
    assert thread.kinds().count("refused") == 2
    assert engine.calls == ["KubePodCrashLooping"]


@pytest.mark.parametrize("permanent", [True, False])
async def test_delivery_that_cannot_be_had_is_written_down_with_its_reason(start, engine, thread, permanent):
    runtime = await start()
    thread.refuse = [DeliveryError("not in #alerts: /invite @rca", permanent=permanent) for _ in range(3)]
    engine.go.set()
    await runtime.accept(stories.work())
    row = (await settled(runtime))[0]
    assert (row.state, row.trouble) == ("undelivered", "not in #alerts: /invite @rca")
    assert thread.kinds().count("refused") == (1 if permanent else 3)


async def test_stopping_the_process_leaves_work_that_the_next_start_takes_up(start, engine, thread):
    first = await start()
    await first.accept(stories.work())
    await thread.until("progress")
    await first.stop()
    assert engine.cancelled == 1
    assert "failed" not in thread.kinds()
    with pytest.raises(NotAccepting):
        await first.accept(stories.work("2.2"))
    engine.go.set()
    await start()
    await thread.until("finished")
    assert len(engine.calls) == 2


async def test_running_investigations_may_end_before_the_process_does(start, engine, thread):
    runtime = await start(drain_s=5.0)
    await runtime.accept(stories.work())
    await thread.until("progress")
    asyncio.get_running_loop().call_later(0.2, engine.go.set)
    await runtime.stop()
    assert thread.kinds()[-1] == "finished"
    assert engine.cancelled == 0


async def test_two_processes_on_one_file_are_refused(start, store_url, engine, thread):
    await start()
    second = Runtime(Store(store_url), engine, thread)
    with pytest.raises(StoreInUse, match="in use by another process"):
        await second.start()


async def test_work_without_a_workflow_is_adopted_at_start(start, engine, thread, store_url):
    store = Store(store_url)
    await store.open()
    from bot.runtime.stages import new_work

    await store.admit(new_work(stories.work()))
    await store.close()
    engine.go.set()
    await start()
    await thread.until("finished")


async def test_work_that_takes_the_process_down_each_time_is_given_up(start, engine, thread, store_url):
    store = Store(store_url)
    await store.open()
    from bot.runtime.stages import MAX_ATTEMPTS, new_work

    row = (await store.admit(new_work(stories.work()))).investigation
    for _ in range(MAX_ATTEMPTS):
        await store.begin(row.id)
    await store.close()
    await start()
    assert "ended 3 times" in await thread.until("failed")
    assert engine.calls == []


async def test_other_alerts_of_the_message_are_named_in_the_report(start, engine, thread):
    runtime = await start()
    engine.go.set()
    over = stories.alert("Gone", status="resolved")
    await runtime.accept(stories.work(alerts=(over, stories.alert("First"), stories.alert("Second"))))
    await thread.until("finished")
    assert engine.calls == ["First"]
    report = await runtime.report(investigation_id(stories.work().key))
    assert report.notes == (
        "2 more alerts in the same message (Gone, Second); this investigation is about the first that fires",
    )


async def test_a_question_is_answered_from_the_report_of_its_thread(start, engine, thread):
    asked = []

    async def answer(question, report):
        asked.append((question, report.headline))
        return "Nothing was rolled out.", ("E9",)

    runtime = await start(answer=answer)
    engine.go.set()
    await runtime.accept(stories.work("1.1"))
    await thread.until("finished")
    question = stories.work(
        "3.3", key="msg:T1:C1:3.3", kind="question", thread_ts="1.1", text="what changed?", alerts=(), user="U1"
    )
    assert await runtime.accept(question) is True
    assert await thread.until("answered") == "Nothing was rolled out. E9"
    assert asked == [("what changed?", stories.report(stories.alert(), "x").headline)]


async def test_a_question_that_cannot_be_answered_gets_a_line_all_the_same(start, engine, thread):
    async def answer(question, report):
        raise ValueError("no")

    runtime = await start(answer=answer)
    engine.go.set()
    await runtime.accept(stories.work("1.1"))
    await thread.until("finished")
    question = stories.work(
        "3.3", key="msg:T1:C1:3.3", kind="question", thread_ts="1.1", text="what changed?", alerts=(), user="U1"
    )
    await runtime.accept(question)
    assert "The report above stands" in await thread.until("answered")


async def settled(runtime: Runtime):
    """The store's rows once nothing is open any more."""
    async with asyncio.timeout(8):
        while await runtime.store.unfinished():
            await asyncio.sleep(0.02)
    return await runtime.recent()
