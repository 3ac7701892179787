"""Disks: shown and judged the same way by every tool."""

from collections.abc import Iterable, Mapping

from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import real, size_of, whole
from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

_ENDLESS = 2**60  # object storage reports a size near 2^64


class Disk(Lean):
    """One disk. ``used_ratio`` is missing where the storage has no end."""

    name: str
    host: str = ""
    type: str = ""
    free_bytes: int = 0
    total_bytes: int = 0
    used_ratio: float | None = None
    broken: bool = False


def disks_of(rows: Iterable[Row]) -> list[Disk]:
    """The disks, the fullest first."""
    found: list[Disk] = []
    for row in rows:
        total, free = whole(row["total_space"]), whole(row["free_space"])
        endless = bool(row.get("is_remote")) or not 0 < total < _ENDLESS
        found.append(
            Disk(
                name=clean(row["name"], 60),
                host=clean(row.get("host"), 100),
                type=clean(row.get("type"), 30),
                free_bytes=0 if endless else free,
                total_bytes=0 if endless else total,
                used_ratio=None if endless else real(1 - free / total),
                broken=bool(row.get("is_broken")),
            )
        )
    return sorted(found, key=lambda d: -(d.used_ratio or 0))


def disk_signals(disks: Iterable[Disk], limits: Mapping[str, float]) -> list[Signal]:
    """``ch.disk_full`` for those that are full or broken."""
    found: list[Signal] = []
    for disk in disks:
        subject = f"ch/{disk.host}/{disk.name}"
        if disk.broken:
            found.append(signal("ch.disk_full", subject, f"disk {disk.name} is marked broken", reason="broken"))
        elif disk.used_ratio is not None and disk.used_ratio >= limits["disk_ratio"]:
            detail = f"disk {disk.name} is {disk.used_ratio:.0%} full, {size_of(disk.free_bytes)} free"
            found.append(
                signal(
                    "ch.disk_full",
                    subject,
                    detail,
                    reason="space",
                    value=disk.used_ratio,
                    threshold=limits["disk_ratio"],
                    unit="ratio",
                )
            )
    return found
