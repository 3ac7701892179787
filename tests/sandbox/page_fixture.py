"""A workspace written by hand, for looking at the page: every kind of thread that the bot leaves, and every block it may use.

The page reads it through the browser's own routing (`serve`), so neither a server nor a bot is needed to look at it.
"""

import json
import mimetypes
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from page_gallery import gallery
from page_kit import (
    ALERTS,
    CATEGORIES,
    FEEDBACK,
    GENERAL,
    NOW,
    Json,
    actions,
    alert,
    bot,
    button,
    code,
    context,
    person,
    rich,
    section,
    task,
    ts,
)

PAGE = Path(__file__).resolve().parents[2] / "sandbox" / "page"
ORIGIN = "http://127.0.0.1:3999"


CRASH, RUNNING, SLOW, MODEL = ts(70), ts(12), ts(1500), ts(3700)  # the threads' first messages

CONFIRMED_BLOCKS: list[Json] = [
    section("*`checkout` crashes because ConfigMap `checkout-settings` has no key `PAYMENT_URL`.*"),
    context("*Confirmed*", "since 03:01", "3 of 3 replicas of the new revision; the old one still serves (2 of 3)"),
    section(
        "*Why*\n• the container cannot start: key `PAYMENT_URL` is absent from ConfigMap `shop/checkout-settings` [E3]\n"
        "• the reference came with the rollout at 03:01, image 2.14 → 2.15 [E2]\n• 2.14 has no such reference [E2]"
    ),
    section(
        "*Do*\nAdd the key, or roll back. Low risk: 2.14 is still in the ReplicaSet.\n```kubectl -n shop rollout undo deploy/checkout```"
    ),
    section("*Ruled out*\nmemory, peak 41 % of limit [E1] · node, healthy [E5] · image pull [E1]"),
    context("Checked 7 of 7 · 9 s · no model · playbook `kube-pod-crash-looping`"),
    actions(button("Escalate to @team-checkout", "rca_escalate")),
    FEEDBACK,
]

REPORT = """# checkout crashes: key PAYMENT_URL is missing

**Confirmed** · since 2025-11-22 03:01:14 UTC · 3 of 3 replicas of revision 42

| Evidence | What it shows | Source |
|---|---|---|
| E1 | 14 restarts, last exit 1 after 2 s, peak memory 41 % | kubernetes/get_pod_status |
| E2 | Deployment/checkout 2.14 → 2.15 at 03:01, +env PAYMENT_URL | kubernetes/list_recent_changes |
| E3 | ConfigMap shop/checkout-settings has 4 keys, PAYMENT_URL is not one | kubernetes/get_config_keys |

## Timeline
1. 03:01:14 rollout of revision 42
2. 03:01:20 first exit
3. 03:12:02 alert
"""


def running_card() -> Json:
    return {
        "type": "plan",
        "title": "Investigating KubePodNotReady in shop",
        "tasks": [
            task("s1", "What is not ready", "complete", rich(code("cart-6c4f-2xk9d"), ", 0 of 1 containers, 6 min")),
            task(
                "s2",
                "What changed",
                "complete",
                rich("no rollout, no configuration in 24 h"),
                sources=[{"type": "url", "url": "https://grafana.example/d/cart", "text": "Grafana"}],
            ),
            task("s3", "What the node says", "error", rich("nodes: no permission ", code("list nodes"))),
            task("s4", "What it says", "in_progress", rich("reading the previous container's log")),
            task("s5", "What it needs", "pending"),
        ],
    }


def threads() -> list[Json]:
    crash = {
        "color": "a30200",
        "title": "[FIRING:1] KubePodCrashLooping shop (prod-eu checkout kube-state-metrics checkout-7d9f-x8k2p critical)",
        "title_link": "http://alertmanager.example/#/alerts?receiver=slack",
        "text": "Pod shop/checkout-7d9f-x8k2p (checkout) is in waiting state (reason: CrashLoopBackOff).",
        "footer": "Alertmanager",
    }
    slow = {
        "color": "danger",
        "title": "HighLatency frontend p99 above 1 s",
        "text": "service frontend p99 2.1 s for 5 m",
        "fields": [
            {"title": "service", "value": "frontend", "short": True},
            {"title": "severity", "value": "warning", "short": True},
        ],
    }
    model = {
        "color": "a30200",
        "title": "[FIRING:1] PodOOMKilled shop (payments)",
        "text": "Container payments was OOM killed 3 times in 10 m.",
    }
    not_ready = {
        "color": "#f2c744",
        "title": "[FIRING:1] KubePodNotReady shop (cart-6c4f-2xk9d)",
        "text": "Pod has been in a non-ready state for longer than 5 minutes.",
    }
    return [
        person("U0DANA", ts(90_000), "Payments 1.9 is out, watching the dashboards for half an hour :eyes:"),
        person(
            "U0OMAR",
            ts(89_800),
            "Thanks. Runbook: <https://wiki.example/payments|payments on-call> - ping <@U0DANA> or <!subteam^S0PAY> first",
        ),
        alert("Alertmanager", MODEL, model, ["warning"]),
        bot(
            ts(3670),
            MODEL,
            text="payments is OOM killed",
            blocks=[
                section("*`payments` is killed for memory: its limit of 256 MiB is below what 1.9 needs.*"),
                context("*Likely*", "since 02:11", "1 of 4 replicas"),
                section(
                    "*Why*\n• last exit 137, OOMKilled, 3 times in 10 min [E1]\n• working set 251 of 256 MiB before each exit [E4]\n"
                    "• limit unchanged for 40 days, image changed yesterday 02:10 [E2]"
                ),
                section(
                    "*Do*\nRaise the limit to 384 MiB, or roll back 1.9.\n"
                    "```kubectl -n shop set resources deploy/payments --limits=memory=384Mi```"
                ),
                context(
                    "Checked 6 of 6 · 31 s · playbook `pod-oom-killed`",
                    ":information_source: no model: Azure OpenAI answered 429 four times; "
                    "findings are complete, the explanation is shorter",
                ),
                actions(),
                FEEDBACK,
            ],
        ),
        alert("SigNoz", SLOW, slow, ["warning"]),
        bot(
            ts(1480),
            SLOW,
            text="No cause found yet",
            blocks=[
                section("*No cause found yet. 4 of 7 checks ran.*"),
                context("*Inconclusive*", "firing since 02:48"),
                section(
                    "*Known*\nfrontend p99 2.1 s, usual 0.3 s, since 02:43 [E1] · only calls to `cart` are slow [E2]"
                ),
                section(
                    "*Not checked*\n• logs: SigNoz did not answer in 10 s\n"
                    "• MongoDB: no permission `serverStatus`, the role `clusterMonitor` is missing"
                ),
                section(
                    "*Ruled out*\nrollouts, scaling and config in `shop` in the last 24 h [E3] · pods of `cart`: healthy, CPU 22 % [E4]"
                ),
                section(
                    "*Next*\nLook at the database behind cart, `mongodb://carts-0`. The check runs again when SigNoz answers."
                ),
                {
                    "type": "data_visualization",
                    "title": "p99 latency, last 20 min",
                    "chart": {
                        "type": "line",
                        "series": [
                            {
                                "name": "frontend",
                                "data": [
                                    {"label": c, "value": v}
                                    for c, v in zip(
                                        CATEGORIES, (0.3, 0.31, 0.29, 0.33, 1.6, 2.1, 2.05, 2.1), strict=True
                                    )
                                ],
                            },
                            {
                                "name": "cart",
                                "data": [
                                    {"label": c, "value": v}
                                    for c, v in zip(
                                        CATEGORIES, (0.11, 0.1, 0.12, 0.14, 1.4, 1.9, 1.82, 1.88), strict=True
                                    )
                                ],
                            },
                        ],
                        "axis_config": {"categories": list(CATEGORIES), "x_label": "UTC", "y_label": "seconds"},
                    },
                },
                actions(),
                FEEDBACK,
            ],
        ),
        person("U0DANA", ts(1300), "<@U0RCA> what changed in cart in the last two hours?", thread_ts=SLOW),
        bot(
            ts(1290),
            SLOW,
            text="",
            blocks=[
                {
                    "type": "markdown",
                    "text": "Nothing was rolled out or reconfigured in `cart`. "
                    "Its database `carts` got an **index build** at 02:41, still running [E9].\n\n"
                    "- Looked at: ReplicaSets, ConfigMaps (metadata), HPA, nodes, MongoDB operations\n- Blind: Secrets",
                }
            ],
        ),
        alert("Alertmanager", CRASH, crash, ["white_check_mark"]),
        bot(
            ts(60),
            CRASH,
            text="checkout crashes because ConfigMap checkout-settings has no key PAYMENT_URL",
            blocks=CONFIRMED_BLOCKS,
        ),
        bot(ts(58), CRASH, text="", files=[{"id": "F0REPORT"}]),
        alert("Alertmanager", RUNNING, not_ready, ["eyes"]),
        bot(
            ts(10),
            RUNNING,
            text="Investigating KubePodNotReady",
            blocks=[
                running_card(),
                context("playbook `kube-pod-not-ready` · name matched exactly"),
                {"type": "actions", "elements": [button("Stop", "rca_stop")]},
            ],
        ),
    ]


SAMPLES = (
    ("Pod crash-looping", "Alertmanager"),
    ("Pod not ready", "Alertmanager"),
    ("Container out of memory", "Alertmanager"),
    ("High latency", "SigNoz"),
    ("Error rate", "Grafana"),
    ("Disk almost full", "Grafana"),
    ("Resolved", "Alertmanager"),
    ("Two alerts of one storm", "Alertmanager"),
    ("A deploy notice", "Argo CD"),
)


def state() -> Json:
    """The whole snapshot, as `GET /ui/state` gives it."""
    users = [
        {
            "id": "U0DANA",
            "name": "dana",
            "real_name": "Dana Levy",
            "is_bot": False,
            "profile": {"display_name": "Dana Levy"},
        },
        {
            "id": "U0OMAR",
            "name": "omar",
            "real_name": "Omar Haddad",
            "is_bot": False,
            "profile": {"display_name": "Omar Haddad"},
        },
        {"id": "U0RCA", "name": "rca", "real_name": "RCA", "is_bot": True, "profile": {"display_name": "rca"}},
    ]
    messages = threads()
    return {
        "team": {"id": "T0SHOP", "name": "Shop"},
        "me": "U0DANA",
        "bot": {"id": "U0RCA", "bot_id": "B0RCA", "name": "RCA"},
        "users": users,
        "usergroups": [{"id": "S0PAY", "handle": "team-payments"}],
        "channels": [
            {"id": ALERTS, "name": "alerts", "topic": {"value": "What fires in prod-eu"}},
            {"id": GENERAL, "name": "general"},
        ],
        "messages": {ALERTS: messages, GENERAL: gallery()},
        "ephemerals": [
            {
                "channel": GENERAL,
                "user": "U0DANA",
                "message": {
                    "ts": ts(3),
                    "user": "U0RCA",
                    "bot_id": "B0RCA",
                    "bot_profile": {"name": "RCA"},
                    "text": "*2 investigations are running.* `run-7` cart, `run-8` payments",
                },
            }
        ],
        "files": {
            "F0REPORT": {
                "id": "F0REPORT",
                "name": "rca-checkout-0312.md",
                "title": "rca-checkout-0312.md",
                "mimetype": "text/markdown",
                "filetype": "markdown",
                "size": len(REPORT),
            }
        },
        "views": [],
        "samples": [
            {"id": f"s{n}", "title": title, "sender": sender, "channel": "#alerts", "description": "a sample"}
            for n, (title, sender) in enumerate(SAMPLES)
        ],
        "statuses": [{"channel": ALERTS, "thread_ts": RUNNING, "text": "is reading logs"}],
        "activity": [
            {"at": NOW - 12 + n * 0.21, "line": line}
            for n, line in enumerate(
                (
                    "-> events_api message #alerts",
                    "<- ack 4 ms",
                    "<- reactions.add eyes 200 3 ms",
                    "<- chat.postMessage #alerts 200 5 ms",
                    "<- chat.update #alerts 429 ratelimited, retry after 1 s",
                    "<- chat.update #alerts 200 4 ms",
                )
            )
        ],
    }


def serve(page: Any, snapshot: Json, posted: list[tuple[str, Json]], asked: list[str]) -> None:
    """Answer everything the page asks for from the folder and `snapshot`. `posted` collects its requests, `asked` every address."""

    def answer(route: Any) -> None:
        request = route.request
        asked.append(request.url)
        path = urlsplit(request.url).path
        if not request.url.startswith(ORIGIN):
            route.abort()
        elif path == "/ui/state":
            route.fulfill(json=snapshot)
        elif path == "/ui/file/F0REPORT":
            route.fulfill(body=REPORT, content_type="text/markdown")
        elif request.method == "POST":
            posted.append((path, json.loads(request.post_data or "{}")))
            route.fulfill(json={"ok": True})
        else:
            name = "index.html" if path == "/" else path.removeprefix("/static/")
            file = PAGE / name
            if not file.is_file() or file.parent != PAGE:
                route.fulfill(status=404, body="no such file")
                return
            kind = "text/javascript" if name.endswith(".js") else (mimetypes.guess_type(name)[0] or "text/plain")
            route.fulfill(body=file.read_text(), content_type=kind)

    page.route("**/*", answer)
