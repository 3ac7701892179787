"""An attacker who writes log lines, events, termination messages and alert text, and a workspace that watches what becomes of them."""

import importlib.util
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import settings as configuration
from bot.alerts.model import Alert
from bot.observe import logs
from bot.wiring import Bot, open_bot
from sandbox.cluster import sketch
from sandbox.cluster.server import RecordedCluster
from sandbox.model.server import ScriptedModel
from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

_spec = importlib.util.spec_from_file_location(
    "attacker_kit", Path(__file__).parents[1] / "security" / "attacker_kit.py"
)
kit = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("attacker_kit", kit)
_spec.loader.exec_module(kit)

TRUTH = {
    "checkout-config": ("confirmed", "kubernetes.config.reference_missing", "Deployment/shop/checkout"),
    "oom": ("confirmed", "kubernetes.container.oom_killed", "Deployment/media/transcoder"),
}


# -- the verdict ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("incident", TRUTH)
async def test_hostile_lines_do_not_change_a_verdict(incident: str, tmp_path: Path) -> None:
    clean = await kit.investigate(kit.planted(incident, tmp_path), kit.alert_of(incident))
    hostile = await kit.investigate(kit.planted(incident, tmp_path, lines=kit.HOSTILE), kit.alert_of(incident))
    assert kit.judgement(clean.report) == TRUTH[incident] == kit.judgement(hostile.report)
    assert hostile.cluster.writes == []
    assert [a.command for a in hostile.report.remediation] == [a.command for a in clean.report.remediation]


@pytest.mark.parametrize("line", ["", *kit.FAKE_SYMPTOMS], ids=lambda line: line[:24] or "clean")
async def test_a_line_makes_no_trouble_where_none_is_seen(line: str, tmp_path: Path) -> None:
    folder = kit.planted("healthy", tmp_path, lines=(line,) if line else ())
    report = (await kit.investigate(folder, kit.alert_of("healthy"))).report
    assert report.verdict == "inconclusive"
    assert report.remediation == ()
    assert all(f.tainted for f in report.findings if f.state == "true")
    assert all(k.tainted for k in report.known if line and "log of container" in k.text)


def crashing(told: str = "", *lines: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A pod whose process ends with 1; ``told`` is its termination message, which the process itself writes."""
    template = sketch.template("checkout", "registry.example/checkout:2")
    deployment = sketch.deployment("checkout", template, replicas=1, available=0)
    replicas = sketch.replica_set("checkout", "7d9f8c6b5", 1, template, replicas=1)
    pod = sketch.pod(
        "checkout-7d9f8c6b5-x8k2p", template, sketch.owner("ReplicaSet", "checkout-7d9f8c6b5"), waiting="CrashLoopBackOff", restarts=7
    )  # fmt: skip
    pod["status"]["phase"] = "Running"
    ended = {"exitCode": 1, "reason": "Error", "message": told, "startedAt": sketch.at(6), "finishedAt": sketch.at(5)}
    pod["status"]["containerStatuses"][0]["lastState"] = {"terminated": ended}
    log = [f"{sketch.at(6)} starting", *(f"{sketch.at(5)} {line}" for line in lines)]
    return [sketch.namespace(), sketch.node(), deployment, replicas, pod], {
        pod["metadata"]["name"]: {"current": log, "previous": log}
    }


CRASH = Alert(
    source="alertmanager",
    name="KubePodCrashLooping",
    fingerprint="f",
    namespace="shop",
    pod="checkout-7d9f8c6b5-x8k2p",
    labels={"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": "checkout-7d9f8c6b5-x8k2p"},
)


@pytest.mark.parametrize(
    "told", ["", "OOMKilled: memory limit too low", 'secret "x" not found', "exec: no such file or directory: unknown"]
)
async def test_a_process_cannot_choose_its_verdict_with_its_last_words(told: str, tmp_path: Path) -> None:
    items, log = crashing(told)
    report = (await kit.investigate(sketch.write(tmp_path / "c", items, log), CRASH)).report
    assert kit.judgement(report) == ("likely", "kubernetes.container.crash", "Deployment/shop/checkout")


@pytest.mark.parametrize("line", kit.FAKE_SYMPTOMS, ids=lambda line: line[:24])
async def test_a_crash_explained_by_its_log_alone_is_never_confirmed(line: str, tmp_path: Path) -> None:
    items, log = crashing("", line)
    report = (await kit.investigate(sketch.write(tmp_path / "c", items, log), CRASH)).report
    assert report.verdict == "likely"
    assert report.causes[0].confidence <= 0.64
    assert report.causes[0].object == "Deployment/shop/checkout"


@pytest.mark.parametrize("incident", [*TRUTH, "healthy"])
async def test_forged_events_do_not_change_a_verdict(incident: str, tmp_path: Path) -> None:
    forged = {
        "OOMKilling": "Memory cgroup out of memory: Killed process 1 (cart)",
        "FailedMount": 'MountVolume.SetUp failed for volume "x" : configmap "evil" not found',
        "Failed": 'Error: secret "evil" not found',
        "FailedScheduling": "0/3 nodes are available: 3 Insufficient cpu.",
        "Unhealthy": f"Readiness probe failed: {kit.ORDERS[0]} <!channel>",
        "SYSTEM": kit.ORDERS[1],
    }

    def forge(items: list[dict[str, Any]]) -> None:
        newest = max((i.get("lastTimestamp") or "" for i in items if i["kind"] == "Event"), default="")
        for pod in [i for i in items if i["kind"] == "Pod"]:
            meta = pod["metadata"]
            for reason, message in forged.items():
                event = sketch.event("Pod", meta["name"], reason, message, space=meta["namespace"], count=9)
                items.append({**event, "firstTimestamp": newest, "lastTimestamp": newest})

    clean = await kit.investigate(kit.planted(incident, tmp_path), kit.alert_of(incident))
    hostile = await kit.investigate(kit.planted(incident, tmp_path, change=forge), kit.alert_of(incident))
    assert kit.judgement(hostile.report) == kit.judgement(clean.report)


async def test_a_log_line_of_megabytes_is_read_in_bounds(tmp_path: Path) -> None:
    folder = kit.planted("oom", tmp_path, lines=("A" * 2_000_000 + " connection refused",))
    report = (await kit.investigate(folder, kit.alert_of("oom"))).report
    assert kit.judgement(report) == TRUTH["oom"]
    assert report.ran[0] == report.ran[1]
    assert len(report.model_dump_json()) < 600_000


# -- the whole bot --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def house(
    folder: Path, tmp: Path, script: str
) -> AsyncIterator[tuple[Bot, Workspace, RecordedCluster, ScriptedModel]]:
    """The real bot in this process, with a workspace, a recorded cluster and a scripted model."""
    async with (
        RecordedCluster(folder) as cluster,
        Workspace(port=0, rate_limits=False) as workspace,
        ScriptedModel(script) as model,
    ):
        (tmp / "kubeconfig").write_text(json.dumps(cluster.kubeconfig()))
        environ = {
            "KUBECONFIG": str(tmp / "kubeconfig"),
            "SLACK_API_URL": workspace.api_url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "RCA_STORE_URL": f"sqlite:///{tmp / 'bot.sqlite'}",
            "RCA_HEALTH_PORT": "0",
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_API_KEY": "sk-test",
        }
        async with open_bot(configuration.load(None, environ=environ)) as bot:
            yield bot, workspace, cluster, model


def poisoned(secrets: list[Any]) -> Any:
    """Secrets where clusters hold them: literals of the environment, arguments, annotations, ConfigMaps, event messages."""

    def change(items: list[dict[str, Any]]) -> None:
        for number, item in enumerate(items):
            if item["kind"] in ("Deployment", "ReplicaSet", "Pod"):
                item["metadata"].setdefault("annotations", {}).update(
                    {f"note/{i}": s.line for i, s in enumerate(secrets)}
                )
                spec = item["spec"] if item["kind"] == "Pod" else item["spec"]["template"]["spec"]
                for container in spec["containers"]:
                    container.setdefault("env", []).extend(
                        {"name": f"SETTING_{i}", "value": s.line} for i, s in enumerate(secrets)
                    )
                    container["args"] = [s.line for s in secrets]
            if item["kind"] == "ConfigMap":
                item.setdefault("data", {}).update({f"key{i}": s.line for i, s in enumerate(secrets)})
            if item["kind"] == "Event":
                item["message"] = f"{item['message']} {secrets[number % len(secrets)].line}"

    return change


async def test_secrets_stay_and_nothing_comes_alive(tmp_path: Path) -> None:
    secrets = kit.known_secrets()
    out = io.StringIO()
    logs.configure("DEBUG", stream=out, json_lines=True)
    lines = tuple(line for s in secrets for line in f"2026-11-22T14:59:00Z {s.line}".split("\n")) + kit.HOSTILE
    folder = kit.planted("oom", tmp_path, lines=lines, change=poisoned(secrets))
    alert = json.loads((kit.folder_of("oom") / "alert.json").read_text())
    attachment = alert["attachments"][0]
    attachment["text"] = "\n".join([*(s.line for s in secrets), *kit.PINGS, *kit.PAINT])
    attachment["fields"] = [{"title": f"label{i}", "value": s.line} for i, s in enumerate(secrets[:40])]
    async with house(folder, tmp_path, "injected") as (bot, workspace, cluster, model):
        ts = (await workspace.post_as_app("Alertmanager", "#alerts", alert))["ts"]
        await workspace.wait_for(lambda: any(m.get("files") for m in workspace.thread("#alerts", ts)), 60)
        card = next(m for m in workspace.thread("#alerts", ts)[1:] if m.get("blocks"))
        await workspace.click("dana", "#alerts", card["ts"], "rca_evidence")
        for start in range(0, len(secrets), 14):
            some = " ".join(s.line for s in secrets[start : start + 14])
            await workspace.post_as_user("dana", "#alerts", f"<@{bot.slack.identity.user}> why? {some}"[:3900], ts)
            pairs = " ".join(f'k{i}="{s.line}"' for i, s in enumerate(secrets[start : start + 14]))
            await workspace.slash("dana", "#alerts", "/rca", f"run general {pairs}")
        await workspace.slash("dana", "#alerts", "/rca", "status")
        asked = len(range(0, len(secrets), 14))
        await workspace.wait_for(lambda: not bot.runtime.running() and len(workspace.views("dana")) > 0, 60)
        await workspace.wait_for(lambda: len(workspace.calls_of("chat.stopStream")) >= asked, 60)
        files = [
            workspace.file_content(f["id"]).decode()
            for m in workspace.channel_messages("#alerts")
            for f in m.get("files") or []
        ]
        files += [
            workspace.file_content(f["id"]).decode()
            for m in workspace.thread("#alerts", ts)
            for f in m.get("files") or []
        ]
        calls = [
            vars(c) if hasattr(c, "__dict__") else {s: getattr(c, s) for s in c.__slots__} for c in workspace.calls
        ]
        whispers = workspace.ephemerals("dana")
    logs.configure("ERROR")

    store = b"".join(p.read_bytes() for p in tmp_path.glob("bot.sqlite*")).decode("utf-8", "replace")
    places = {
        "Slack": json.dumps([calls, whispers], default=str, ensure_ascii=False),
        "the report files": "\n".join(files),
        "the store": store,
        "the log": out.getvalue(),
        "the model": json.dumps([r.body for r in model.requests], ensure_ascii=False),
    }
    assert files
    assert model.requests
    assert all(len(text) > 1_000 for text in places.values())
    assert [(where, s.kind) for where, text in places.items() for s in secrets if s.core in text] == []
    assert cluster.writes == []
    assert [r for r in cluster.requests if "/secrets" in r] == []
    ours = ("U0DANA",)  # the root message names the person who typed /rca run
    assert [a for call in calls for v in call.values() for a in kit.alive(v, ours)] == []
    for line in out.getvalue().splitlines():
        assert isinstance(json.loads(line), dict), "a log line was forged"


async def test_forged_buttons_and_guests_are_refused(tmp_path: Path) -> None:
    async with house(kit.planted("healthy", tmp_path), tmp_path, "good") as (bot, workspace, _, _):
        alert = json.loads((kit.folder_of("healthy") / "alert.json").read_text())
        ts = (await workspace.post_as_app("Alertmanager", "#alerts", alert))["ts"]
        await workspace.wait_for(lambda: any(m.get("files") for m in workspace.thread("#alerts", ts)), 60)
        card = next(m for m in workspace.thread("#alerts", ts)[1:] if m.get("blocks"))
        buttons = [e for b in card["blocks"] if b["type"] == "actions" for e in b["elements"]]
        investigation = buttons[0]["value"]
        actions = bot.slack._listeners._actions

        def press(action: str, value: str, channel: str, team: str = "") -> dict[str, Any]:
            who = {"id": "U0OMAR", "team_id": team or bot.slack.identity.team}
            return {
                "actions": [{"action_id": action, "value": value}],
                "user": who,
                "channel": {"id": channel},
                "trigger_id": "1.2.x",
            }

        here, posts = workspace.channel_id("#alerts"), len(workspace.calls_of("chat.postMessage"))
        for action in ("rca_evidence", "rca_rerun", "rca_escalate", "rca_stop"):
            assert "not in the bot's history" in await actions.pressed(press(action, investigation, "C0ELSEWHERE"))
            assert "not in the bot's history" in await actions.pressed(
                press(action, "inv-'; drop table rca_inbox; --", here)
            )
            assert "Only members" in await actions.pressed(press(action, investigation, here, team="T0OTHER"))
        assert "not in the bot's history" in await actions.pressed(
            press("rca_feedback", f"up:{investigation}", "C0ELSEWHERE")
        )
        assert "not in the bot's history" in await actions.pressed(
            press("rca_feedback", f"owner:{investigation}", here)
        )
        assert workspace.views("omar") == []

        workspace.world.directory.user("omar").is_restricted = True
        refused = await workspace.slash("omar", "#alerts", "/rca", "run general namespace=store")
        assert "guests and partners cannot" in json.dumps([refused, workspace.ephemerals("omar")])
        assert len(workspace.calls_of("chat.postMessage")) == posts
        await workspace.slash("dana", "#alerts", "/rca", "run general namespace=store")
        await workspace.wait_for(lambda: len(workspace.calls_of("chat.postMessage")) > posts, 30)
