"""What holds for the whole suite.

Property tests draw the same examples each time, so that a change is judged by what it changed; ``HYPOTHESIS_PROFILE=explore`` draws new ones.
"""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def used_store(tmp_path_factory) -> Path:
    """A store that was started once, to copy: the first start of an empty file costs a second, and many tests start one."""
    from bot.incidents.store import Store  # costs a second that most tests need not pay
    from bot.runtime.durable import Durable

    path = tmp_path_factory.mktemp("used") / "rca.sqlite"

    async def once() -> None:
        store = Store(f"sqlite:///{path}")
        await store.open()
        durable = Durable(store.url, parallel=8)

        async def nothing(payload: str) -> None: ...

        await durable.start(nothing)
        await durable.stop()
        await store.close()

    asyncio.run(once())
    return path
