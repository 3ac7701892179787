"""A store of its own for each test of the runtime."""

import shutil

import pytest


@pytest.fixture
def store_url(used_store, tmp_path) -> str:
    path = tmp_path / "rca.sqlite"
    shutil.copy(used_store, path)
    return f"sqlite:///{path}"
