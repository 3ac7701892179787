"""The history: what may be said twice, who wins, what survives."""

import asyncio

import pytest
import sqlalchemy as sa

from bot.incidents import schema
from bot.incidents.ids import investigation_id
from bot.incidents.store import FOLD_WITHIN_S, NewWork, Store


class Clock:
    def __init__(self) -> None:
        self.now = 1_763_800_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path, clock):
    store = Store(f"sqlite:///{tmp_path}/rca.sqlite", clock=clock)
    await store.open()
    yield store
    await store.close()


def work(key: str = "alert:T:C:1.1", **more) -> NewWork:
    values = {
        "key": key,
        "kind": "alert",
        "channel": "C",
        "ts": key.rsplit(":", 1)[-1],
        "root": key.rsplit(":", 1)[-1],
        "name": "Crash",
        "work": "{}",
        "fingerprint": "fp",
        "alert": "{}",
        "foldable": True,
    }
    return NewWork(**(values | more))


async def test_a_key_is_admitted_once_however_many_ask_at_the_same_time(store):
    admissions = await asyncio.gather(*(store.admit(work()) for _ in range(20)))
    assert sum(a.new for a in admissions) == 1
    assert {a.investigation.id for a in admissions} == {investigation_id("alert:T:C:1.1")}
    assert await store.seen("alert:T:C:1.1")


async def test_the_same_alert_while_one_is_running_becomes_part_of_it(store):
    lead = (await store.admit(work())).investigation
    again = (await store.admit(work("alert:T:C:2.2"))).investigation
    elsewhere = (await store.admit(work("alert:T:D:3.3", channel="D"))).investigation
    assert (again.state, again.into) == ("folded", lead.id)
    assert (elsewhere.state, elsewhere.into) == ("folded", lead.id)  # one trouble, whichever channel hears of it


async def test_after_the_first_is_done_the_alert_gets_its_own_investigation(store):
    lead = (await store.admit(work())).investigation
    await store.finish(lead.id, "done")
    assert (await store.admit(work("alert:T:C:2.2"))).investigation.state == "queued"


async def test_an_investigation_that_hangs_for_an_hour_swallows_no_more_alerts(store, clock):
    await store.admit(work())
    clock.now += FOLD_WITHIN_S + 1
    assert (await store.admit(work("alert:T:C:2.2"))).investigation.state == "queued"


async def test_a_rerun_is_never_folded(store):
    await store.admit(work())
    assert (await store.admit(work("run:x", foldable=False))).investigation.state == "queued"


async def test_resolution_is_recorded_and_undone_by_the_next_firing(store):
    lead = (await store.admit(work())).investigation
    await store.finish(lead.id, "done")
    incident = await store.resolved("C", "fp", "9.9")
    assert incident is not None
    assert (incident.status, incident.fired) == ("resolved", 1)
    await store.admit(work("alert:T:C:2.2"))
    again = await store.resolved("C", "fp", "9.9")
    assert again is not None
    assert again.fired == 2
    assert await store.resolved("C", "never-fired", "9.9") is None


async def test_stopping_a_queued_one_wins_over_its_start_and_a_stopped_one_cannot_be_stopped_again(store):
    row = (await store.admit(work())).investigation
    assert await store.ask_stop(row.id, "U1") == "queued"
    begun = await store.begin(row.id)
    assert (begun.state, begun.cancelled_by) == ("stopped", "U1")
    assert await store.ask_stop(row.id, "U2") is None


async def test_stopping_a_running_one_is_written_down_for_whoever_runs_it(store):
    row = (await store.admit(work())).investigation
    await store.begin(row.id)
    assert await store.ask_stop(row.id, "U1") == "running"
    assert await store.stop_requests([row.id, "inv-other"]) == {row.id: "U1"}


async def test_each_beginning_counts_and_the_first_start_stays(store, clock):
    row = (await store.admit(work())).investigation
    first = await store.begin(row.id)
    clock.now += 60
    second = await store.begin(row.id)
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.started_at == second.started_at


async def test_a_message_is_claimed_once_and_the_second_learns_what_the_first_knew(store):
    assert await store.claim("inv-1", "card", "C") is None
    assert (await store.claim("inv-1", "card", "C")).ts == ""
    await store.posted("inv-1", "card", "C", "5.5")
    assert (await store.claim("inv-1", "card", "C")).ts == "5.5"


async def test_the_last_vote_of_a_person_wins_and_a_reason_stays_with_its_vote(store):
    await store.rate("inv-1", "U1", "down")
    await store.rate("inv-1", "U1", "down", "wrong pod")
    await store.rate("inv-1", "U1", "down")
    assert [(r.value, r.reason) for r in await store.ratings("inv-1")] == [("down", "wrong pod")]
    await store.rate("inv-1", "U1", "up")
    assert [(r.value, r.reason) for r in await store.ratings("inv-1")] == [("up", "")]


async def test_the_thread_of_a_folded_alert_leads_to_the_investigation(store):
    lead = (await store.admit(work())).investigation
    await store.admit(work("alert:T:C:2.2"))
    assert [r.id for r in await store.in_thread("C", "2.2")] == [lead.id]


async def test_old_keys_and_journals_go_those_of_open_investigations_stay(store, clock):
    row = (await store.admit(work())).investigation
    done = (await store.admit(work("alert:T:C:2.2", fingerprint="other"))).investigation
    for investigation in (row.id, done.id):
        await store.save_step(investigation, "pods", "[]")
    await store.finish(done.id, "done")
    clock.now += 1000
    await store.forget(keys_older_than=500, journals_older_than=500)
    assert not await store.seen("alert:T:C:1.1")
    assert await store.load_steps(row.id) == {"pods": "[]"}
    assert await store.load_steps(done.id) == {}


async def test_everything_is_there_after_a_restart_and_opening_again_changes_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/rca.sqlite"
    first = Store(url)
    await first.open()
    row = (await first.admit(work())).investigation
    await first.close()
    second = Store(url)
    await second.open()
    await second.open()
    assert await second.get(row.id) == row
    await second.close()


async def test_a_store_of_a_newer_version_is_refused_with_a_mend(tmp_path):
    url = f"sqlite:///{tmp_path}/rca.sqlite"
    store = Store(url)
    await store.open()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(schema.schema_version.insert().values(version=99, at=0.0))
    engine.dispose()
    with pytest.raises(schema.SchemaTooNew, match=r"schema version 99.*newer version of the bot"):
        await store.open()
    await store.close()


def test_the_database_tells_subseconds_whatever_sqlite_python_was_built_with(tmp_path):
    """The workflow engine's tables default to ``unixepoch('subsec')`` on newer Pythons; an older SQLite answers NULL to that."""
    import sqlalchemy as sa

    from bot.incidents.database import make_engine

    engine = make_engine(f"sqlite:///{tmp_path / 'clock.sqlite'}")
    with engine.begin() as connection:
        connection.execute(
            sa.text("create table t (a integer, at integer not null default (unixepoch('subsec') * 1000))")
        )
        connection.execute(sa.text("insert into t (a) values (1)"))
        stamp = connection.execute(sa.text("select at from t")).scalar_one()
    engine.dispose()
    assert stamp > 1_700_000_000_000
