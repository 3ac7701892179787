"""Mining log patterns against drain3, on the same lines in the same run: time, and how well lines are grouped.

The lines are generated from templates that are known, so that grouping can be judged: a line counts as right when the lines put with it are
exactly those of its template (grouping accuracy as the literature on log parsing uses it). drain3 runs as it comes, without masks, and
with the masks that its documentation recommends, which is what ours is alike to; grouping is held against the better of the two.
"""

import contextlib
import io
import random
import string
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from bench.figure import Figure
from mcp_servers.common.templates import lines, mine

LINES = 20_000
ROUNDS = 3
TEMPLATES = (
    '{ip} - {user} [{stamp}] "GET /api/v1/orders/{n} HTTP/1.1" {ok} {n} {ms}',
    "INFO  order {uuid} created by {user} in {ms} ms",
    "INFO  order {uuid} shipped to warehouse {word}",
    "ERROR payment {uuid} declined: card {word} not accepted",
    "ERROR connection to {ip}:{port} refused after {n} attempts",
    "WARN  slow query ({ms} ms) on table orders: {n} rows scanned",
    "WARN  slow query ({ms} ms) on table ledger: {n} rows scanned",
    "INFO  user {user} logged in from {ip}",
    "INFO  user {user} logged out",
    "DEBUG cache hit for key session:{hex}",
    "DEBUG cache miss for key session:{hex}",
    "INFO  consumer {word} joined group orders at generation {n}",
    "INFO  partition orders-{n} assigned to consumer {word}",
    "ERROR partition orders-{n} lag is {n} records, consumer {word} is behind",
    "level=info ts={stamp} caller=server.go:{n} msg=request method=GET path=/checkout status=200 took={ms}ms",
    "level=error ts={stamp} caller=server.go:{n} msg=request method=GET path=/checkout status=503 took={ms}ms",
    "I1122 {clock} {n} controller.go:{n}] Reconciling deployment shop/{word}",
    "E1122 {clock} {n} controller.go:{n}] Failed to reconcile shop/{word}: conflict on resourceVersion {n}",
    "{stamp} [http-nio-8080-exec-{n}] INFO  c.s.CheckoutController - handling cart {hex} with {n} items",
    "{stamp} [http-nio-8080-exec-{n}] ERROR c.s.CheckoutController - cart {hex} failed: java.net.SocketTimeoutException: Read timed out",
    "{stamp} [pool-{n}-thread-{n}] WARN  c.z.h.pool.PoolBase - HikariPool-{n} - Connection is not valid (total={n}, idle={n})",
    "GC pause (young) {ms}ms heap {n}M->{n}M",
    "TLS handshake error from {ip}:{port}: EOF",
    "leader election: node {word} became leader for term {n}",
    "flushed {n} bytes to segment {hex} in {ms} ms",
    "retrying request {uuid} (attempt {n} of 5)",
    "dropping span batch of {n}: exporter queue is full",
    "health check of upstream {word} ok",
    "health check of upstream {word} failed with status 502",
    "loaded configuration from /etc/app/{word}.yaml",
)
Miner = Callable[[Sequence[str]], list[Hashable]]


def generated(count: int = LINES, seed: int = 7) -> tuple[list[str], list[int]]:
    """Lines and, for each, the number of its template. Frequent templates are far more frequent than rare ones, as in a real log."""
    rng = random.Random(seed)
    names = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9))) for _ in range(60)]
    users, words = names[:30], names[30:]
    makers: dict[str, Callable[[], str]] = {
        "ip": lambda: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
        "port": lambda: str(rng.randint(1024, 65535)),
        "n": lambda: str(rng.randint(0, 9999)),
        "ms": lambda: f"{rng.uniform(0.1, 3000):.{rng.randint(0, 2)}f}",
        "ok": lambda: "200",
        "uuid": lambda: (
            f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-a{rng.getrandbits(12):03x}-{rng.getrandbits(48):012x}"
        ),
        "hex": lambda: f"{rng.getrandbits(128):032x}",
        "user": lambda: rng.choice(users),
        "word": lambda: rng.choice(words),
        "clock": lambda: (
            f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}.{rng.randint(0, 999999):06}"
        ),
        "stamp": lambda: (
            f"2026-11-22T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}.{rng.randint(0, 999):03}Z"
        ),
    }

    weights = [1 / (rank + 1) for rank in range(len(TEMPLATES))]
    order = rng.sample(range(len(TEMPLATES)), len(TEMPLATES))
    truth = rng.choices(order, weights, k=count)
    return [_filled(TEMPLATES[at], makers) for at in truth], truth


def _filled(template: str, makers: dict[str, Callable[[], str]]) -> str:
    return "".join(
        text + (makers[field]() if field else "") for text, field, _, _ in string.Formatter().parse(template)
    )


def accuracy(groups: Sequence[Hashable], truth: Sequence[int]) -> float:
    """Share of lines whose group is exactly the group of their template."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    wanted: dict[int, int] = defaultdict(int)
    for group, of in zip(groups, truth, strict=True):
        found[group].append(of)
        wanted[of] += 1
    right = sum(len(of) for of in found.values() if len(set(of)) == 1 and len(of) == wanted[of[0]])
    return right / len(truth)


def ours(texts: Sequence[str]) -> list[Hashable]:
    """The pattern of each line, found again through the members that a pattern reports."""
    from mcp_servers.common.template_merge import merged
    from mcp_servers.common.templates import read_line, template

    read = [read_line(text) for text in texts]
    masked = [(template(line.text), line.level) for line in read]
    names = {
        level: merged(dict.fromkeys(m for m, of in masked if of == level)) for level in ("error", "warning", "other")
    }
    return [(names[level].get(m, m), level) for m, level in masked]


def _drain(config: Any) -> Any:
    from drain3 import TemplateMiner

    with contextlib.redirect_stdout(io.StringIO()):  # it prints that there is no configuration file
        return TemplateMiner(config=config)


def _masked_config() -> Any:
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    edge, end = r"((?<=[^A-Za-z0-9])|^)", r"((?=[^A-Za-z0-9])|$)"
    config.masking_instructions = [
        MaskingInstruction(f"{edge}(([0-9a-f]{{2,}}:){{3,}}([0-9a-f]{{2,}})){end}", "ID"),
        MaskingInstruction(rf"{edge}(\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}){end}", "IP"),
        MaskingInstruction(f"{edge}([0-9a-f]{{6,}} ?){{3,}}{end}", "SEQ"),
        MaskingInstruction(f"{edge}(0x[a-f0-9A-F]+){end}", "HEX"),
        MaskingInstruction(rf"{edge}([\-\+]?\d+){end}", "NUM"),
    ]
    return config


def drained(texts: Sequence[str], *, masks: bool) -> list[Hashable]:
    from drain3.template_miner_config import TemplateMinerConfig

    miner = _drain(_masked_config() if masks else TemplateMinerConfig())
    return [miner.add_log_message(text)["cluster_id"] for text in texts]


def _seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


async def measure() -> list[Figure]:
    try:
        import drain3  # noqa: F401
    except ImportError:
        return [
            Figure(
                "log mining against drain3", float("nan"), 1.0, detail="drain3 is not installed: uv sync --group bench"
            )
        ]
    texts, truth = generated()
    own_s = _seconds(lambda: mine(lines(texts)))
    plain_s = _seconds(lambda: drained(texts, masks=False))
    masked_s = _seconds(lambda: drained(texts, masks=True))
    own = accuracy(ours(texts), truth)
    plain, masked = (accuracy(drained(texts, masks=m), truth) for m in (False, True))
    per = 1e6 / len(texts)
    return [
        Figure(
            "mining log patterns over drain3 with its documented masks",
            own_s / masked_s,
            1.0,
            detail=f"{own_s * per:.0f} us a line, its level, time and sample included; drain3 {masked_s * per:.0f} us",
        ),
        Figure(
            "mining log patterns over drain3 without masks",
            own_s / plain_s,
            1.0,
            detail=f"drain3 {plain_s * per:.0f} us a line; lines of 75 characters: with 250, as applications write them, both are even",
        ),
        Figure(
            "lines grouped wrongly, beyond drain3's",
            max(0.0, max(plain, masked) - own),
            0.0,
            detail=f"grouping accuracy {own:.3f}; drain3 {plain:.3f}, with its masks {masked:.3f}",
        ),
    ]
