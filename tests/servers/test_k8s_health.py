"""`health`, and the refusal of credentials that may write."""

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_fixture import FakeCluster, ask, deployment, ended, pod, replica_set, running, session

from mcp_servers.kubernetes import tools_events, tools_health, tools_resolve
from mcp_servers.kubernetes.access import NEEDS, OPTIONAL, POWERS, access_of
from mcp_servers.kubernetes.kinds import KINDS
from mcp_servers.kubernetes.settings import load

Json = dict[str, Any]


async def health(folder: Path, fake: FakeCluster, **environ: str) -> Json:
    async with session(fake, folder, tools_health, **environ) as client:
        answer = await ask(client, "health")
    assert fake.writes() == []
    return answer


def states(answer: Json) -> dict[str, str]:
    return {row["tool"]: row["state"] for row in answer["permissions"]}


def missing(answer: Json) -> set[str]:
    return {
        m for row in answer["permissions"] for m in row.get("missing", []) if row["state"] in ("partly", "forbidden")
    }


class TestHealth:
    async def test_all_is_well(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster())
        assert (answer["reachable"], answer["version"]) == (True, "v1.31.0")
        assert re.fullmatch(
            r"http://127\.0\.0\.1:\d+/base answers in [\d.]+ ms, v1\.31\.0; 10 of 10 tools may read all that they need",
            answer["summary"],
        )
        assert "warnings" not in answer
        assert {name for name, state in states(answer).items() if state != "ok"} == {"get_resource_usage"}
        assert states(answer)["get_resource_usage"] == "unsupported"  # there is no metrics-server
        assert abs(answer["clock_skew_s"]) < 3

    async def test_a_missing_right_is_named_with_the_tools_that_miss_it(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(denied=frozenset({"list events"})))
        assert missing(answer) == {"list events in all namespaces"}
        assert states(answer)["get_events"] == "forbidden"
        assert states(answer)["get_pod_status"] == "partly"
        assert states(answer)["resolve_target"] == "ok"
        told, mend = answer["warnings"]
        assert told.startswith(
            "missing: list events in all namespaces; needed by find_unhealthy, get_deployment_history"
        )
        assert "clusterrole.yaml grants all" in mend

    async def test_many_missing_rights_stay_readable(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(denied=frozenset(f"list {row.plural}" for row in KINDS.values())))
        assert len(answer["warnings"]) == 5
        assert all(len(line) < 700 for line in answer["warnings"])
        assert any("in the cluster" in m for m in missing(answer))

    async def test_an_addon_counts_only_where_it_is_installed(self, tmp_path: Path) -> None:
        denied = frozenset({"list applications"})
        assert missing(await health(tmp_path, FakeCluster(denied=denied))) == set()
        with_argo = FakeCluster(denied=denied, versions=(*FakeCluster().versions, "argoproj.io/v1alpha1"))
        answer = await health(tmp_path, with_argo)
        assert missing(answer) == {"list applications.argoproj.io in all namespaces"}
        assert states(answer)["get_recent_changes"] == "partly"

    async def test_single_namespaces_are_asked_about_one_by_one(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(denied=frozenset({"list jobs"})), RCA_K8S_NAMESPACES="shop,mail")
        assert missing(answer) == {"list jobs.batch in namespace mail", "list jobs.batch in namespace shop"}

    async def test_logs_that_are_switched_off_are_no_fault(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(denied=frozenset({"get pods/log"})), RCA_K8S_LOGS="0")
        assert missing(answer) == set()
        assert states(answer)["get_pod_logs"] == "off"

    async def test_rights_that_cannot_be_asked_for_are_unknown(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(faults={"/selfsubjectaccessreviews": (403, "no")}))
        assert set(states(answer).values()) == {"unknown"}
        assert "could not be asked" in answer["warnings"][0]

    async def test_powers_are_told_where_they_are_allowed(self, tmp_path: Path) -> None:
        fake = FakeCluster(powers=frozenset({"create pods/exec", "get secrets"}))
        answer = await health(tmp_path, fake, RCA_ALLOW_PRIVILEGED="1")
        assert answer["can_write"] == ["create pods/exec in all namespaces", "get secrets in all namespaces"]
        assert "can do more than read" in answer["warnings"][0]
        assert "refused" not in answer

    async def test_it_answers_also_for_a_credential_that_the_tools_refuse(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(powers=frozenset({"delete pods"})))
        assert answer["refused"]["code"] == "FORBIDDEN"
        assert "the tools refuse to work" in answer["summary"]

    @pytest.mark.parametrize(("off", "word"), [(90, " s ahead of this"), (-3600, " s behind this")])
    async def test_a_clock_that_is_off(self, tmp_path: Path, off: int, word: str) -> None:
        told = format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)
        answer = await health(tmp_path, FakeCluster(date=told))
        assert word in answer["warnings"][0]
        assert abs(answer["clock_skew_s"] - off) < 5

    @pytest.mark.parametrize("date", ["yesterday", "Thu, 99 Foo 2026 99:99:99 GMT"])
    async def test_a_date_that_is_none_is_not_judged(self, tmp_path: Path, date: str) -> None:
        assert "clock_skew_s" not in await health(tmp_path, FakeCluster(date=date))

    async def test_a_credential_that_is_unknown_is_told_with_a_hint(self, tmp_path: Path) -> None:
        answer = await health(tmp_path, FakeCluster(faults={"/version": (401, "Unauthorized")}))
        assert (answer["reachable"], answer["refused"]["code"]) == (True, "UNAUTHORIZED")
        assert "renew the credential" in answer["refused"]["hint"]

    async def test_it_is_for_operators(self, tmp_path: Path) -> None:
        async with session(FakeCluster(), tmp_path, tools_health, tools_events) as client:
            meta = {t.name: t.meta or {} for t in (await client.list_tools()).tools}
        assert meta["health"]["rca/audience"] == "operator"
        assert "rca/audience" not in meta["get_events"]


class TestWhatToolsNeed:
    async def test_every_tool_declares_all_that_it_reads(self, tmp_path: Path) -> None:
        """The self-test asks for what tools really request; nothing is forgotten when a tool learns to read more."""
        sick = pod(
            statuses=[running(restarts=2, ready=False, last=ended(1))],
            volumes=[{"persistentVolumeClaim": {"claimName": "data"}}],
        )
        lost = {
            "kind": "Node",
            "metadata": {"name": "worker-1"},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
        }
        claim = {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "shop"},
            "spec": {},
            "status": {"phase": "Pending"},
        }
        service = {
            "kind": "Service",
            "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": {"selector": {"app": "checkout"}},
        }
        space = {"kind": "Namespace", "metadata": {"name": "shop"}}
        fake = FakeCluster([sick, deployment(), replica_set(), lost, claim, service, space])
        here = {"namespace": "shop"}
        calls: dict[str, list[Json]] = {
            "find_unhealthy": [here],
            "get_deployment_history": [{"deployment_name": "checkout", **here}],
            "get_events": [
                here
            ],  # with an object that has none it looks whether that exists: any kind, and no loss if it may not
            "get_node_health": [{}],
            "get_pod_logs": [{"pod_name": sick["metadata"]["name"], **here}],
            "get_pod_status": [{"pod_name": sick["metadata"]["name"], **here}, {"pod_name": "checkout", **here}],
            "get_recent_changes": [{"target": "checkout", **here}],
            "get_resource_usage": [here],
            "get_service_health": [{"service_name": "checkout", **here}, {"service_name": "cart", **here}],
            "get_workload_status": [{"name": "checkout", **here}],
            "resolve_target": [{"query": "namespace=shop pod=checkout"}],
        }
        async with session(fake, tmp_path) as client:
            offered = {t.name for t in (await client.list_tools()).tools} - {"health"}
            assert offered == set(NEEDS) == set(calls)
            for tool, arguments in calls.items():
                for given in arguments:
                    fake.requests.clear()
                    await ask(client, tool, **given)
                    assert read_by(fake) <= {
                        access_of(k).resource + ("/log" if k == "log" else "")
                        for k in (*NEEDS[tool], *OPTIONAL.get(tool, ()))
                    }, tool

    def test_the_shipped_roles_grant_all_of_it_and_no_power(self) -> None:
        file = Path(__file__).parents[2] / "deploy/kubernetes/clusterrole.yaml"
        documents = list(yaml.safe_load_all(file.read_text()))
        roles = {d["metadata"]["name"]: d["rules"] for d in documents if d["kind"] == "ClusterRole"}
        bound = {d["roleRef"]["name"] for d in documents if d["kind"] == "ClusterRoleBinding"}
        reader, optional = (rights(roles[f"rca-bot-{n}"]) for n in ("reader", "changes-optional"))
        assert bound == {"rca-bot-reader"}
        assert {right(k) for kinds in NEEDS.values() for k in kinds} <= reader
        assert {right(k) for kinds in OPTIONAL.values() for k in kinds} <= optional
        powers = {(p.verb, p.group, p.resource + (f"/{p.subresource}" if p.subresource else "")) for p in POWERS}
        assert not (reader | optional) & powers
        assert {v for v, _, _ in reader | optional} <= {"get", "list"}
        assert not any("*" in part for one in reader | optional for part in one)


def right(kind: str) -> tuple[str, str, str]:
    need = access_of(kind)
    return need.verb, need.group, need.resource + (f"/{need.subresource}" if need.subresource else "")


def rights(rules: list[Json]) -> set[tuple[str, str, str]]:
    return {(v, g, r) for rule in rules for v in rule["verbs"] for g in rule["apiGroups"] for r in rule["resources"]}


def read_by(fake: FakeCluster) -> set[str]:
    """The plurals that were requested ("pods/log" for log text), discovery left out."""
    found = set()
    for method, path in fake.requests:
        parts = re.sub(r"^/base/(api/v1|apis/[^/]+/[^/]+)/?", "", path).split("/")
        if parts[0] == "namespaces" and len(parts) > 2:
            parts = parts[2:]
        if method == "GET" and parts[0]:
            found.add("pods/log" if parts[2:] == ["log"] else parts[0])
    return found


class TestPrivilegedCredentials:
    @pytest.mark.parametrize(
        "power", ["create pods/exec", "get secrets", "list secrets", "delete pods", "patch deployments"]
    )
    async def test_are_refused_with_what_to_do(self, tmp_path: Path, power: str) -> None:
        fake = FakeCluster(powers=frozenset({power}))
        async with session(fake, tmp_path, tools_events) as client:
            error = (await ask(client, "get_events", namespace="shop"))["error"]
        assert error["code"] == "FORBIDDEN"
        assert f"can do more than read: {power}" in error["message"]
        assert "deploy/kubernetes/clusterrole.yaml" in error["hint"]
        assert "RCA_ALLOW_PRIVILEGED=1" in error["hint"]
        assert [r for r in fake.requests if r[0] == "GET"] == []

    async def test_one_round_of_questions_a_process(self, tmp_path: Path) -> None:
        for powers in (frozenset[str](), frozenset({"delete pods"})):
            fake = FakeCluster(powers=powers)
            async with session(fake, tmp_path, tools_events, tools_resolve, RCA_CACHE_S="0") as client:
                first = [ask(client, "get_events", namespace="shop"), ask(client, "resolve_target", query="shop")]
                await asyncio.gather(*first)
                await ask(client, "get_events", namespace="shop")
            assert sorted(fake.reviews) == [
                *("create pods/exec", "delete pods", "get secrets", "list secrets", "patch deployments")
            ]

    async def test_are_served_where_that_was_decided(self, tmp_path: Path) -> None:
        fake = FakeCluster(powers=frozenset({"delete pods"}))
        async with session(fake, tmp_path, tools_events, RCA_ALLOW_PRIVILEGED="1") as client:
            assert "error" not in await ask(client, "get_events", namespace="shop")
        assert fake.reviews == []

    @pytest.mark.parametrize("status", [403, 404, 405, 500])
    async def test_what_cannot_be_asked_refuses_nothing(self, tmp_path: Path, status: int) -> None:
        fake = FakeCluster(faults={"/selfsubjectaccessreviews": (status, "no")})
        async with session(fake, tmp_path, tools_events, RCA_CACHE_S="0") as client:
            for _ in range(2):
                assert "error" not in await ask(client, "get_events", namespace="shop")
        assert len([r for r in fake.requests if r[0] == "POST"]) <= 15  # with the retries of one round

    async def test_bound_to_namespaces_it_is_asked_there(self, tmp_path: Path) -> None:
        fake = FakeCluster(powers=frozenset({"get secrets"}))
        async with session(fake, tmp_path, tools_events, RCA_K8S_NAMESPACES="shop") as client:
            error = (await ask(client, "get_events", namespace="shop"))["error"]
        assert "get secrets in namespace shop" in error["message"]


class TestWarmStart:
    """The client library takes a second to import: in a thread while nobody waits, and only where a cluster is configured."""

    def loaded_after(self, seconds: float, kubeconfig: str) -> bool:
        code = f"""
import asyncio, sys
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.settings import load
assert "kubernetes" not in sys.modules
async def main():
    async with Context(load({{"KUBECONFIG": {kubeconfig!r}}})).lifespan(None):
        for _ in range({int(seconds * 10)}):
            await asyncio.sleep(0.1)
            if "kubernetes.aio.config.kube_config" in sys.modules:
                break
asyncio.run(main())
print("kubernetes" in sys.modules)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip() == "True"

    def test_a_session_that_stays_is_warm_before_the_first_call(self, tmp_path: Path) -> None:
        assert self.loaded_after(20, str(tmp_path / "config"))

    def test_who_only_lists_the_tools_does_not_pay(self, tmp_path: Path) -> None:
        assert not self.loaded_after(0.1, str(tmp_path / "config"))

    def test_without_a_cluster_nobody_pays(self) -> None:
        assert not load({}).configured
        assert load({"KUBECONFIG": "x"}).configured
        assert load({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).configured
        assert not self.loaded_after(0.8, "")
