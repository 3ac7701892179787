"""A store that has been started once, to copy: the first start of an empty file costs a second, and these tests start many."""

import asyncio
import shutil
from pathlib import Path

import pytest

from bot.incidents.store import Store
from bot.runtime.durable import Durable


@pytest.fixture(scope="session")
def used_store(tmp_path_factory) -> Path:
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


@pytest.fixture
def store_url(used_store, tmp_path) -> str:
    path = tmp_path / "rca.sqlite"
    shutil.copy(used_store, path)
    return f"sqlite:///{path}"
