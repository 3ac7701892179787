"""Plays scheduler and kubelets for a control plane that has none.

Binds pods, reports their state through the status subresource and writes the events that a kubelet would write, with its wordings and
its back-off. Behaviours decide what a pod's container does; everything else (ReplicaSets, endpoints, conditions, quotas) is the control
plane's own.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.incidents.api import Api, ApiError, Json
from sandbox.incidents.timeline import iso, now


@dataclass(frozen=True)
class Behaviour:
    """What a pod's container does after it was bound.

    ``config_error``: the kubelet's message why the container cannot be created; empty when it can. ``exit_code``, ``exit_reason`` and
    ``runs_s`` (seconds): how it ends each time, for a container that crashes. Otherwise it runs and is ready.
    """

    config_error: str = ""
    exit_code: int = 0
    exit_reason: str = ""
    runs_s: float = 0.0

    @property
    def crashes(self) -> bool:
        return bool(self.exit_reason)


NODES = {"worker-01": "eu-west-1a", "worker-02": "eu-west-1b", "worker-03": "eu-west-1c"}
FIRST_BACKOFF_S, MAX_BACKOFF_S = 10.0, 300.0  # the kubelet's


def digest(image: str) -> str:
    return f"{image.rsplit(':', 1)[0]}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


class Kubelets:
    def __init__(self, api: Api, namespaces: tuple[str, ...], behaviour: Callable[[Json], Behaviour]) -> None:
        self.api, self.namespaces, self.behaviour = api, namespaces, behaviour
        self._seen: dict[str, asyncio.Task[None]] = {}
        self._events: dict[tuple[str, str, str], Json] = {}
        self._placed = 0
        self._addresses: dict[str, int] = {}

    async def register_nodes(self) -> None:
        for name, zone in NODES.items():
            labels = {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": zone,
                "topology.kubernetes.io/region": "eu-west-1",
                "node.kubernetes.io/instance-type": "m5.xlarge",
            }
            node = {"kind": "Node", "metadata": {"name": name, "labels": labels}}
            node["spec"] = {"podCIDR": f"10.42.{list(NODES).index(name)}.0/24"}
            await self.api.create("nodes", node, by="kubelet")
            await self.heartbeat(name, first=True)

    async def heartbeat(self, name: str, first: bool = False) -> None:
        at = iso(now())
        sound = (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        )
        conditions = [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": at,
                **({"lastTransitionTime": at} if first else {}),
            }
            for kind, status, reason, message in sound
        ]
        status: Json = {"conditions": conditions}
        if first:
            index = list(NODES).index(name) + 11
            status |= {
                "addresses": [
                    {"type": "InternalIP", "address": f"10.0.1.{index}"},
                    {"type": "Hostname", "address": name},
                ],
                "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"},
                "allocatable": {"cpu": "3920m", "memory": "15Gi", "pods": "110", "ephemeral-storage": "92Gi"},
                "nodeInfo": {
                    "kubeletVersion": "v1.20.2",
                    "kubeProxyVersion": "v1.20.2",
                    "containerRuntimeVersion": "containerd://1.4.3",
                    "osImage": "Debian GNU/Linux 11 (bullseye)",
                    "kernelVersion": "5.10.0-21-amd64",
                    "operatingSystem": "linux",
                    "architecture": "amd64",
                    "machineID": secrets.token_hex(16),
                    "systemUUID": secrets.token_hex(16),
                    "bootID": secrets.token_hex(16),
                },
            }
        await self.api.patch("nodes", "", name, {"status": status}, sub="status", by="kubelet")

    async def run(self) -> None:
        """Until cancelled: heartbeats, placement, starts and the last step of deletions."""
        beat = 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                if loop.time() - beat > 8:
                    beat = loop.time()
                    for name in NODES:
                        await self.heartbeat(name)
                for namespace in self.namespaces:
                    for pod in await self.api.list("pods", namespace):
                        await self.tend(pod)
                await asyncio.sleep(0.7)
        finally:
            for task in self._seen.values():
                task.cancel()
            await asyncio.gather(*self._seen.values(), return_exceptions=True)

    async def tend(self, pod: Json) -> None:
        meta = pod["metadata"]
        if meta.get("deletionTimestamp"):
            task = self._seen.get(meta["uid"])
            if task:
                task.cancel()
            name = pod["spec"]["containers"][0]["name"]
            await self.event(pod, "Normal", "Killing", f"Stopping container {name}")
            path = self.api.path("pods", meta["namespace"], meta["name"])
            await self.api.call("DELETE", path, {"gracePeriodSeconds": 0})
        elif not pod["spec"].get("nodeName"):
            await self.bind(pod)
        elif meta["uid"] not in self._seen:
            self._seen[meta["uid"]] = asyncio.create_task(self.live(pod))

    async def bind(self, pod: Json) -> None:
        meta = pod["metadata"]
        wanted = str(pod["spec"].get("affinity", {}).get("nodeAffinity", ""))
        node = next((n for n in NODES if n in wanted), list(NODES)[self._placed % len(NODES)])
        self._placed += 1
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
        await self.api.call("POST", self.api.path("pods", meta["namespace"], meta["name"], "binding"), body)
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        await self.event(pod, "Normal", "Scheduled", message, component="default-scheduler")

    async def live(self, pod: Json) -> None:
        """One pod's life, from its start to its deletion."""
        pod = await self.api.call("GET", self.api.path("pods", pod["metadata"]["namespace"], pod["metadata"]["name"]))
        does = self.behaviour(pod)
        container = pod["spec"]["containers"][0]
        name, image = container["name"], container["image"]
        try:
            await self.event(pod, "Normal", "Pulled", f'Container image "{image}" already present on machine')
            if does.config_error:
                while True:
                    await self.report(
                        pod, {"waiting": {"reason": "CreateContainerConfigError", "message": does.config_error}}
                    )
                    await self.event(pod, "Warning", "Failed", f"Error: {does.config_error}")
                    await asyncio.sleep(12.5)
                    await self.event(pod, "Normal", "Pulled", f'Container image "{image}" already present on machine')
            restarts, backoff = 0, FIRST_BACKOFF_S
            last: Json = {}
            while True:
                await self.event(pod, "Normal", "Created", f"Created container {name}")
                await self.event(pod, "Normal", "Started", f"Started container {name}")
                began = iso(now())
                running = {"running": {"startedAt": began}}
                await self.report(pod, running, ready=not does.crashes, restarts=restarts, last=last)
                if not does.crashes:
                    return
                await asyncio.sleep(does.runs_s)
                ended = {
                    "terminated": {
                        "exitCode": does.exit_code,
                        "reason": does.exit_reason,
                        "startedAt": began,
                        "finishedAt": iso(now()),
                        "containerID": self.container_id(pod, restarts),
                    }
                }
                last = ended
                note = f"back-off {_go_duration(backoff)} restarting failed container={name} pod="
                note += f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({pod['metadata']['uid']})"
                waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": note}}
                await self.report(pod, waiting, restarts=restarts, last=last)
                until = asyncio.get_running_loop().time() + backoff
                while (left := until - asyncio.get_running_loop().time()) > 0:
                    await self.event(pod, "Warning", "BackOff", "Back-off restarting failed container")
                    await asyncio.sleep(min(left, 12.5))
                restarts, backoff = restarts + 1, min(backoff * 2, MAX_BACKOFF_S)
                await self.event(pod, "Normal", "Pulled", f'Container image "{image}" already present on machine')
        except ApiError as error:
            if error.status != 404:  # the pod was deleted meanwhile
                raise

    @staticmethod
    def container_id(pod: Json, restarts: int) -> str:
        return "containerd://" + hashlib.sha256(f"{pod['metadata']['uid']}{restarts}".encode()).hexdigest()

    async def report(
        self, pod: Json, state: Json, *, ready: bool = False, restarts: int = 0, last: Json | None = None
    ) -> None:
        container, node = pod["spec"]["containers"][0], pod["spec"]["nodeName"]
        uid = pod["metadata"]["uid"]
        started = self._addresses.setdefault(uid, 20 + len(self._addresses))
        index = list(NODES).index(node)
        runs = "waiting" not in state or restarts or last
        status = {
            "name": container["name"],
            "image": container["image"],
            "imageID": digest(container["image"]) if runs else "",
            "ready": ready,
            "started": "running" in state,
            "restartCount": restarts,
            "state": {"waiting": None, "running": None, "terminated": None, **state},
            "lastState": last or {},
            **({"containerID": self.container_id(pod, restarts)} if runs else {}),
        }
        at = iso(now())
        missing = {
            "status": "False",
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{container['name']}]",
        }
        readiness: Json = {"status": "True", "reason": None, "message": None} if ready else missing
        current = await self.api.call(
            "GET", self.api.path("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        )
        known = {c["type"]: c for c in (current.get("status") or {}).get("conditions") or []}

        def condition(kind: str, wanted: Json) -> Json:
            before = known.get(kind, {})
            since = before.get("lastTransitionTime") if before.get("status") == wanted["status"] else at
            return {"type": kind, "lastProbeTime": None, "lastTransitionTime": since, **wanted}

        conditions = [
            condition("Initialized", {"status": "True"}),
            condition("Ready", readiness),
            condition("ContainersReady", readiness),
            condition("PodScheduled", {"status": "True"}),
        ]
        body: Json = {
            "phase": "Running" if runs else "Pending",
            "conditions": conditions,
            "hostIP": f"10.0.1.{index + 11}",
            "podIP": f"10.42.{index}.{started}",
            "podIPs": [{"ip": f"10.42.{index}.{started}"}],
            "startTime": (current.get("status") or {}).get("startTime") or at,
            "containerStatuses": [status],
        }
        meta = pod["metadata"]
        await self.api.patch(
            "pods", meta["namespace"], meta["name"], {"status": body}, sub="status", by="kubelet", merge="merge-patch"
        )

    async def event(self, pod: Json, kind: str, reason: str, message: str, component: str = "kubelet") -> None:
        meta, at = pod["metadata"], iso(now())
        key = (meta["uid"], reason, message)
        if known := self._events.get(key):
            known["count"] += 1
            change = {"count": known["count"], "lastTimestamp": at}
            self._events[key] = await self.api.patch(
                "events", meta["namespace"], known["metadata"]["name"], change, by=component
            )
            return
        container = reason in ("Pulled", "Created", "Started", "Failed", "BackOff", "Killing")
        involved = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
            **({"fieldPath": f"spec.containers{{{pod['spec']['containers'][0]['name']}}}"} if container else {}),
        }
        source = {"component": component}
        if component == "kubelet":
            source["host"] = pod["spec"].get("nodeName", "")
        event = {
            "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}", "namespace": meta["namespace"]},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": source,
            "count": 1,
            "firstTimestamp": at,
            "lastTimestamp": at,
        }
        self._events[key] = await self.api.create("events", event, by=component)


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
