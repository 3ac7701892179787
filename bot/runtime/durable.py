"""The workflow engine behind a narrow door: DBOS on the bot's own database.

Facts that shape this file, each found by running it:
- DBOS must be launched inside the running loop; its workflows then run on that loop, where the Slack clients and tool sessions live.
- It is a process-wide singleton with a registry; a second start in one process needs the registry destroyed with it.
- An asyncio cancellation leaves a workflow PENDING, so a stopped process resumes it at the next start; cancelling a workflow in DBOS
  does not interrupt a running step, which is why `Runtime` cancels its own task.
- It replaces the loop's default thread pool by its own and leaves a closed one behind; `stop` puts a fresh one in.
- The version of the application is compared at recovery. It is therefore set by hand: it changes when the order of the stages changes.
- Its default serialiser is pickle. JSON instead: whoever can write the database must not run code here.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, ParamSpec, TypeVar

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._serialization import DBOSPortableJSONSerializer

from bot.incidents.database import is_sqlite, make_engine

P = ParamSpec("P")
R = TypeVar("R")

APPLICATION = "rca-bot"
STAGES_VERSION = "stages-1"
QUEUES = {"alert": "rca-investigations", "question": "rca-questions"}
PARALLEL_QUESTIONS = 4
KEEP_DAYS = 14
Standing = Literal["unknown", "waiting", "stranded", "over"]


class Durable:
    """Runs ``body(payload)`` once for each enqueued key, and again from where it was after a crash.

    ``executor`` names this process towards the engine: after a restart it resumes the work of its own name. On SQLite there is one
    process, so the name is fixed; on Postgres it is the host's name, which a StatefulSet keeps.
    """

    def __init__(self, url: str, *, parallel: int, poll_s: float = 0.2, executor: str = "") -> None:
        self._url = url
        self._parallel = parallel
        self._poll_s = poll_s
        self._executor = executor or ("local" if is_sqlite(url) else socket.gethostname())
        self._engine: sa.Engine | None = None
        self._workflow: Callable[[str], Any] | None = None

    async def start(self, body: Callable[[str], Awaitable[None]]) -> None:
        """Launches the engine; work that was under way resumes at once, so everything ``body`` needs must stand."""
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._url,
            "application_version": STAGES_VERSION,
            "executor_id": self._executor,
            "log_level": "WARNING",
            "enable_otlp": False,
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": 16,
            "notification_listener_polling_interval_sec": 0.1,  # nobody waits for notifications; this is how long a stop may take
        }
        if is_sqlite(self._url):
            self._engine = make_engine(self._url, immediate=True)
            config["system_database_engine"] = self._engine
        DBOS(config=config)

        @DBOS.workflow(name="work")
        async def work(payload: str) -> str:
            await body(payload)
            return "done"

        self._workflow = work
        DBOS.launch()
        for kind, queue in QUEUES.items():
            at_once = self._parallel if kind == "alert" else PARALLEL_QUESTIONS
            await DBOS.register_queue_async(
                queue, worker_concurrency=at_once, polling_interval_sec=self._poll_s, on_conflict="always_update"
            )

    async def enqueue(self, key: str, kind: str, payload: str) -> None:
        """Durable when it returns. The same key again changes nothing."""
        assert self._workflow is not None, "start comes first"
        with SetWorkflowID(key):
            await DBOS.enqueue_workflow_async(QUEUES[kind], self._workflow, payload)

    async def standing(self, key: str) -> Standing:
        """What the engine knows of a key: ``stranded`` is work of another version of the stages, which nobody will pick up."""
        status = await DBOS.get_workflow_status_async(key)
        if status is None:
            return "unknown"
        if status.status not in {"ENQUEUED", "PENDING", "DELAYED"}:
            return "over"
        return "waiting" if status.app_version in {None, STAGES_VERSION} else "stranded"

    @staticmethod
    async def step(name: str, function: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs ``function`` as a checkpoint: once it returned, a resumed workflow gets its (JSON) result without running it."""

        async def run() -> R:  # the engine logs the arguments of a cancelled step; there is nothing to see in these
            return await function(*args, **kwargs)

        return await DBOS.run_step_async({"name": name}, run)

    @staticmethod
    async def forget_old() -> None:
        """Deletes finished workflows that are older than `KEEP_DAYS`."""
        before = (datetime.now(UTC) - timedelta(days=KEEP_DAYS)).isoformat()
        old = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"], end_time=before, limit=1000, load_input=False, load_output=False
        )
        if old:
            await DBOS.delete_workflows_async([w.workflow_id for w in old])

    async def stop(self) -> None:
        """Ends the engine; what still runs was cancelled by the caller and resumes at the next start."""
        loop = asyncio.get_running_loop()
        closer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rca-closer")
        try:
            await loop.run_in_executor(closer, lambda: DBOS.destroy(destroy_registry=True))
            if self._engine is not None:
                await loop.run_in_executor(closer, self._engine.dispose)
        finally:
            closer.shutdown(wait=False)
            loop.set_default_executor(ThreadPoolExecutor())
