"""What the base install puts on disk: a fresh environment from the lock file, without extras and development tools."""

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figure import Figure


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as tmp:
        site = Path(tmp, "env")
        uv = next((str(p) for p in (Path(".tools/bin/uv"), Path(sys.executable).with_name("uv")) if p.exists()), "uv")
        subprocess.run(
            [uv, "sync", "-q", "--frozen", "--no-dev"],
            check=True,
            env={"UV_PROJECT_ENVIRONMENT": str(site), **_environ()},
        )
        sizes = {p: p.stat().st_size for p in site.rglob("*") if p.is_file() and not p.is_symlink()}
    total = sum(sizes.values()) / 1e6
    kube = sum(s for p, s in sizes.items() if "kubernetes" in p.parts) / 1e6
    return [Figure("base install on disk", total, 450, "MB", detail=f"of it the Kubernetes client {kube:.0f} MB")]


def _environ() -> dict[str, str]:
    import os

    return {k: v for k, v in os.environ.items() if k != "UV_PROJECT_ENVIRONMENT"}
