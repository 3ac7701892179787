"""What is left over, or stands still on purpose, is no trouble of the present: an old evicted pod, a workload at zero that nobody calls."""

from pathlib import Path
from typing import Any

import pytest
from kube_fixture import FakeCluster, ago, ask, codes, deployment, event, pod, replica_set, running, session

from mcp_servers.kubernetes import tools_unhealthy, tools_workload

Json = dict[str, Any]
DAY = 86_400


async def triage(folder: Path, *objects: Json, **asked: str) -> Json:
    async with session(FakeCluster(list(objects)), folder, tools_unhealthy) as client:
        return await ask(client, "find_unhealthy", **{"namespace": "shop", **asked})


def evicted(age: float, *, over: float | None = None, **more: Any) -> Json:
    """A pod that was evicted; ``over`` seconds ago where its conditions still tell."""
    told = [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": ago(over)}] if over is not None else []
    status = {"reason": "Evicted", "message": "The node was low on resource: memory.", "conditions": told, **more}
    return pod("checkout-7d9f8c6b5-zzzzz", statuses=[], phase="Failed", age=age, status=status)


class TestEvictedPods:
    """Nobody clears them away: for days they stand beside the pods that replaced them."""

    @pytest.mark.parametrize(
        ("old", "tells"),
        [
            (evicted(3 * DAY, over=600), True),
            (evicted(3 * DAY, over=2 * DAY), False),
            (evicted(3 * DAY), False),  # nothing tells when, and the event of it is gone
            (evicted(1800), True),
        ],
    )
    async def test_only_a_fresh_one_accuses_its_node(self, tmp_path: Path, old: Json, tells: bool) -> None:
        answer = await triage(tmp_path, old, pod(), deployment(), replica_set())
        assert ("k8s.pod.evicted" in codes(answer)) is tells
        assert ("rows" in answer) is tells

    async def test_an_event_dates_it(self, tmp_path: Path) -> None:
        old = evicted(3 * DAY)
        said = event("Evicted", "The node was low on resource: memory.", about=old, first=900, last=900)
        assert (
            codes(await triage(tmp_path, old, pod(), deployment(), replica_set(), said))["k8s.pod.evicted"] == "memory"
        )

    async def test_a_failed_pod_of_a_job_stays_the_jobs_story(self, tmp_path: Path) -> None:
        over = pod("report-x8k2p", statuses=[], phase="Failed", age=DAY, status={"conditions": []})
        over["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "report", "controller": True}]
        assert "k8s.pod.not_ready" in codes(await triage(tmp_path, over))


def at_zero(name: str = "checkout") -> Json:
    made = deployment(name, 0, 0)
    made["status"]["conditions"] = []
    return made


def service(app: str) -> Json:
    spec = {"selector": {"app": app}, "ports": [{"port": 80}]}
    return {"kind": "Service", "metadata": {"name": "front", "namespace": "shop"}, "spec": spec}


class TestWorkloadsAtZero:
    @pytest.mark.parametrize(("app", "severity"), [("checkout", "critical"), ("ledger", "warning")])
    @pytest.mark.parametrize("tool", ["find_unhealthy", "get_workload_status"])
    async def test_it_is_grave_where_a_service_leads_to_it(
        self, tmp_path: Path, tool: str, app: str, severity: str
    ) -> None:
        fake = FakeCluster([at_zero(), service(app), pod("ledger-7d9f8c6b5-x8k2p", statuses=[running()])])
        fake.objects[2]["metadata"]["labels"] = {"app": "ledger"}
        async with session(fake, tmp_path, tools_unhealthy, tools_workload) as client:
            asked = {"namespace": "shop"} | ({"name": "checkout"} if tool == "get_workload_status" else {})
            answer = await ask(client, tool, **asked)
        [zero] = [s for s in answer["signals"] if s["code"] == "deploy.scaled_to_zero"]
        assert zero["severity"] == severity
        assert ("no Service leads to it" in zero["detail"]) is (severity == "warning")

    async def test_services_that_cannot_be_read_prove_nothing(self, tmp_path: Path) -> None:
        fake = FakeCluster([at_zero()], faults={"/services": (403, "no")})
        async with session(fake, tmp_path, tools_workload) as client:
            answer = await ask(client, "get_workload_status", name="checkout", namespace="shop")
        [zero] = [s for s in answer["signals"] if s["code"] == "deploy.scaled_to_zero"]
        assert zero["severity"] == "critical"


class TestCronJobs:
    def cron(self, **spec: Any) -> Json:
        return {
            "kind": "CronJob",
            "metadata": {"name": "report", "namespace": "shop"},
            "spec": {"schedule": "0 * * * *", "jobTemplate": {}, **spec},
            "status": {"lastScheduleTime": ago(3 * DAY)},
        }

    async def state(self, folder: Path, *objects: Json) -> Json:
        async with session(FakeCluster(list(objects)), folder, tools_workload) as client:
            return await ask(client, "get_workload_status", name="report", namespace="shop", kind="cronjob")

    async def test_one_that_is_suspended_says_so(self, tmp_path: Path) -> None:
        assert "cron.suspended" in codes(await self.state(tmp_path, self.cron(suspend=True)))

    async def test_triage_leaves_a_suspended_one_alone(self, tmp_path: Path) -> None:
        assert "signals" not in await triage(tmp_path, self.cron(suspend=True), pod(), deployment(), replica_set())

    async def test_a_run_that_still_goes_on_keeps_the_next_from_starting(self, tmp_path: Path) -> None:
        cron = self.cron(concurrencyPolicy="Forbid")
        said = event(
            "JobAlreadyActive", "Not starting job because prior execution is running", about=cron, type="Normal"
        )
        assert "cron.missed" in codes(await self.state(tmp_path, cron, said))
