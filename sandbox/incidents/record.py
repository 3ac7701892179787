"""Records the incidents from a real control plane.

    python -m sandbox.incidents.record --kubeconfig admin.kubeconfig --out sandbox/incidents [--scenario NAME] [--hold SECONDS]

Needs an empty cluster (etcd, kube-apiserver, kube-controller-manager; no nodes, no scheduler) and an admin's token. Applies the manifests,
lets the real controllers make ReplicaSets, rollouts, endpoints, quotas and events, plays the kubelets (`kubelet.py`), waits until the
incident is ``--hold`` seconds old, reads everything back and writes one folder a scenario. Uids, resource versions and managed fields are
the server's; times of earlier phases are told as `timeline.py` says.
"""

import argparse
import asyncio
import datetime as dt
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sandbox.incidents import manifests as m
from sandbox.incidents.api import Api, ApiError, Json
from sandbox.incidents.kubelet import Behaviour, Kubelets
from sandbox.incidents.scenarios import SCENARIOS, Scenario
from sandbox.incidents.timeline import Timeline, iso, now

NAMESPACED = (
    *(
        "configmaps",
        "endpoints",
        "events",
        "limitranges",
        "persistentvolumeclaims",
        "pods",
        "resourcequotas",
        "serviceaccounts",
    ),
    *(
        "services",
        "controllerrevisions",
        "daemonsets",
        "deployments",
        "replicasets",
        "statefulsets",
        "jobs",
        "ingresses",
    ),
    *("networkpolicies", "endpointslices", "horizontalpodautoscalers", "poddisruptionbudgets"),
)
SYSTEM = ("kube-system", "monitoring")
NO_METRICS = (
    "FailedGetResourceMetric",
    "FailedComputeMetricsReplicas",
)  # no metrics server here; the recording has its answer
EVENT_LIFE = dt.timedelta(hours=1)  # the API server's default


async def install_system(api: Api) -> None:
    """What every cluster has: DNS, kube-proxy, the monitoring that sent the alert."""
    dns = m.container("coredns", "registry.k8s.io/coredns/coredns:v1.7.0", 8080, cpu="100m", memory="170Mi")
    state = m.container("kube-state-metrics", "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.4.2", 8443)
    await api.create("namespaces", {"kind": "Namespace", "metadata": {"name": "monitoring"}})
    for plural, obj in (
        ("deployments", m.deployment("kube-system", "coredns", dns, replicas=2, part_of="cluster")),
        ("services", m.service("kube-system", "coredns", 8080)),
        ("daemonsets", m.agent("kube-system", "kube-proxy", "registry.k8s.io/kube-proxy:v1.20.2")),
        ("deployments", m.deployment("monitoring", "kube-state-metrics", state, replicas=1, part_of="monitoring")),
        ("services", m.service("monitoring", "kube-state-metrics", 8443)),
        ("daemonsets", m.agent("monitoring", "log-agent", "docker.io/fluent/fluent-bit:1.9.10")),
    ):
        await api.create(plural, obj)


async def apply(api: Api, scenario: Scenario, index: int) -> None:
    phase = scenario.phases[index]
    for plural, obj in phase.create:
        await api.create(plural, obj)
    for plural, name, patch, by in phase.patches:
        await api.patch(plural, scenario.namespace, name, patch, by=by)


async def settle_autoscalers(api: Api, namespace: str, at: dt.datetime) -> None:
    """Report what an autoscaler with a metrics server would: low use, nothing to do."""
    for hpa in await api.list("horizontalpodautoscalers", namespace):
        low = hpa["spec"]["minReplicas"]
        began = hpa["metadata"]["creationTimestamp"]
        says = [
            ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"),
            (
                "ScalingActive",
                "True",
                "ValidMetricFound",
                "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)",
            ),
            (
                "ScalingLimited",
                "True",
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
            ),
        ]
        status = {
            "currentReplicas": low,
            "desiredReplicas": low,
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "current": {"averageUtilization": 31, "averageValue": "78m"}},
                }
            ],
            "conditions": [
                {"type": t, "status": s, "reason": r, "message": x, "lastTransitionTime": began} for t, s, r, x in says
            ],
        }
        await api.patch(
            "horizontalpodautoscalers",
            namespace,
            hpa["metadata"]["name"],
            {"status": status},
            sub="status",
            by="kube-controller-manager",
            merge="merge-patch",
        )


async def everything(api: Api, namespaces: tuple[str, ...]) -> list[Json]:
    found: list[Json] = []
    for plural in ("nodes", "namespaces", "persistentvolumes"):
        rows = await api.list(plural)
        if plural == "namespaces":
            rows = [r for r in rows if r["metadata"]["name"] in (*namespaces, "default")]
        if plural == "persistentvolumes":
            rows = [r for r in rows if r["spec"].get("claimRef", {}).get("namespace") in namespaces]
        found += rows
    for namespace in namespaces:
        for plural in NAMESPACED:
            found += await api.list(plural, namespace)
    return found


def told(objects: list[Json], timeline: Timeline, collected: dt.datetime) -> Iterator[Json]:
    for obj in objects:
        if obj["kind"] == "Event" and obj.get("reason") in NO_METRICS:
            continue
        moved: Json = timeline.retell(obj, collected)
        if moved["kind"] == "Event":
            last = moved.get("lastTimestamp") or moved["metadata"]["creationTimestamp"]
            if collected - dt.datetime.fromisoformat(last) > EVENT_LIFE:
                continue
        yield moved


def slack_alert(scenario: Scenario, pods: list[Json]) -> Json:
    """The message of Alertmanager's default Slack template, as an incoming webhook posts it: one attachment, values without names."""
    title = f"[FIRING:1] {scenario.alertname} {scenario.namespace} ({' '.join(scenario.values(pods))})"
    link = "http://alertmanager.monitoring:9093/#/alerts?receiver=slack"
    return {
        "text": "",
        "username": "Alertmanager",
        "attachments": [
            {
                "id": 1,
                "color": "d72b3f",
                "fallback": f"{title} | {link}",
                "title": title,
                "title_link": link,
                "text": "",
                "mrkdwn_in": ["fallback", "pretext", "text"],
            }
        ],
    }


def spelled(content: Json) -> str:
    """JSON with one object a line where there are many, so that a recording stays small and its differences readable."""
    if "items" not in content:
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    rows = ",\n".join(json.dumps(i, separators=(",", ":"), ensure_ascii=False) for i in content["items"])
    head = {k: v for k, v in content.items() if k != "items"}
    return f'{json.dumps(head)[:-1]}, "items": [\n{rows}\n]}}\n'


async def write(api: Api, scenario: Scenario, timeline: Timeline, out: Path) -> None:
    collected = now().replace(microsecond=0)
    await settle_autoscalers(api, scenario.namespace, collected)
    objects = list(told(await everything(api, (*SYSTEM, scenario.namespace)), timeline, collected))
    pods = [o for o in objects if o["kind"] == "Pod" and o["metadata"]["namespace"] == scenario.namespace]
    version = await api.version()
    folder = out / scenario.name
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Json] = {
        "objects.json": {"apiVersion": "v1", "kind": "List", "items": objects},
        "logs.json": scenario.logs(pods, collected),
        "alert.json": slack_alert(scenario, pods),
        "case.json": {
            "collected_at": iso(collected),
            "version": version["gitVersion"],
            "namespace": scenario.namespace,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(spelled(content))
    sys.stdout.write(f"{folder}: {len(objects)} objects, {len(pods)} pods of {scenario.namespace}\n")


async def record(kubeconfig: Path, out: Path, names: list[str], hold_s: float) -> None:
    chosen = [SCENARIOS[n] for n in names]
    timelines = {s.name: Timeline() for s in chosen}

    def behaviour(pod: Json) -> Behaviour:
        for scenario in chosen:
            if pod["metadata"]["namespace"] == scenario.namespace:
                return scenario.behaviour(pod)
        return Behaviour()

    async with Api(kubeconfig) as api:
        kubelets = Kubelets(api, (*SYSTEM, *(s.namespace for s in chosen)), behaviour)
        for timeline in timelines.values():
            timeline.mark(dt.timedelta(days=93))
        await kubelets.register_nodes()
        playing = asyncio.create_task(kubelets.run())
        try:
            await install_system(api)
            for scenario in chosen:
                await api.create("namespaces", {"kind": "Namespace", "metadata": {"name": scenario.namespace}})
            await asyncio.sleep(6)
            for index in range(max(len(s.phases) for s in chosen)):
                for scenario in chosen:
                    if index < len(scenario.phases):
                        timelines[scenario.name].mark(scenario.phases[index].ago)
                        await apply(api, scenario, index)
                await asyncio.sleep(max(s.phases[index].settle_s for s in chosen if index < len(s.phases)))
                sys.stdout.write(f"phase {index + 1} settled at {iso(now())}\n")
                sys.stdout.flush()
            for scenario in (s for s in chosen if s.phases[-1].ago is not None):
                await write(api, scenario, timelines[scenario.name], out)
            waiting = [s for s in chosen if s.phases[-1].ago is None]
            if waiting:
                done, _ = await asyncio.wait({playing}, timeout=hold_s)
                if done:
                    await playing
            for scenario in waiting:
                await write(api, scenario, timelines[scenario.name], out)
        finally:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS))
    parser.add_argument("--hold", type=float, default=660, metavar="SECONDS", help="age of the incident at collection")
    given = parser.parse_args()
    try:
        asyncio.run(record(given.kubeconfig, given.out, given.scenario or sorted(SCENARIOS), given.hold))
    except ApiError as error:
        sys.exit(f"the recording stopped: {error}")


if __name__ == "__main__":
    main()
