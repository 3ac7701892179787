"""The recorded cluster, and the incidents that ship with it."""

import json
from pathlib import Path

import aiohttp
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import sandbox.incidents
from mcp_servers.kubernetes.quantities import parse_time
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import ask
from sandbox.cluster.recording import Recording, RecordingError, shift
from sandbox.cluster.selectors import BadSelector, fields_match, labels_match
from sandbox.cluster.server import RecordedCluster

INCIDENTS = Path(sandbox.incidents.__file__).parent
ROOT = Path(__file__).parents[2]
T = k.template("cart", "r/cart:1")


def some_pods(count: int = 5) -> list[k.Json]:
    return [k.pod(f"cart-aaaaa1-{i}", T, [], labels={"odd": str(i % 2)}) for i in range(count)]


class TestTheApi:
    async def test_pages_selectors_and_metadata(self, tmp_path: Path) -> None:
        async with (
            RecordedCluster(k.write(tmp_path, some_pods())) as cluster,
            aiohttp.ClientSession(cluster.url) as http,
        ):
            first = await (await http.get("/api/v1/pods?limit=2")).json()
            assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (2, 3)
            rest = await (await http.get("/api/v1/pods", params={"continue": first["metadata"]["continue"]})).json()
            assert len(rest["items"]) == 3
            odd = await (await http.get("/api/v1/namespaces/shop/pods?labelSelector=odd%3D1")).json()
            assert len(odd["items"]) == 2
            head = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
            bare = await (await http.get("/api/v1/pods", headers=head)).json()
            assert bare["kind"] == "PartialObjectMetadataList"
            assert "spec" not in bare["items"][0]
            assert (await http.get("/api/v1/pods?continue=nonsense")).status == 410
            assert (await http.get("/api/v1/pods?labelSelector=(")).status == 400

    async def test_a_write_is_refused_and_counted(self, tmp_path: Path) -> None:
        async with (
            RecordedCluster(k.write(tmp_path, some_pods())) as cluster,
            aiohttp.ClientSession(cluster.url) as http,
        ):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert (await http.request(method, "/api/v1/namespaces/shop/pods/cart-aaaaa1-0")).status == 405
            assert len(cluster.writes) == 4
            assert (await http.get("/api/v1/secrets")).status == 403
            assert (await http.get("/apis/metrics.k8s.io/v1beta1/pods")).status == 404

    async def test_a_review_allows_reading_and_nothing_else(self, tmp_path: Path) -> None:
        async with RecordedCluster(k.write(tmp_path, [])) as cluster, aiohttp.ClientSession(cluster.url) as http:
            for verb, resource, sub, allowed in (
                ("list", "pods", "", True),
                ("get", "pods", "log", True),
                ("get", "pods", "exec", False),
                ("get", "secrets", "", False),
                ("patch", "deployments", "", False),
            ):
                spec = {"resourceAttributes": {"verb": verb, "resource": resource, "subresource": sub}}
                answer = await http.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json={"spec": spec})
                assert (await answer.json())["status"]["allowed"] is allowed
            assert cluster.writes == []

    async def test_logs_know_containers_and_instances(self, tmp_path: Path) -> None:
        crashed = some_pods(1)[0]
        crashed["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 1}}
        waiting = k.pod("slow-1", T, [], waiting="CreateContainerConfigError")
        logs = {"cart-aaaaa1-0": {"current": [f"{k.at(1)} a", "b", "c"], "previous": ["old"]}}
        async with (
            RecordedCluster(k.write(tmp_path, [crashed, waiting], logs)) as cluster,
            aiohttp.ClientSession(cluster.url) as http,
        ):
            base = "/api/v1/namespaces/shop/pods"
            assert await (await http.get(f"{base}/cart-aaaaa1-0/log?tailLines=2")).text() == "b\nc\n"
            assert await (await http.get(f"{base}/cart-aaaaa1-0/log?previous=true")).text() == "old\n"
            refused = await http.get(f"{base}/slow-1/log")
            assert (refused.status, "waiting to start" in (await refused.json())["message"]) == (400, True)


class TestTimes:
    @given(st.integers(-10_000_000, 10_000_000))
    def test_times_move_and_text_stays(self, seconds: int) -> None:
        from datetime import timedelta

        by = timedelta(seconds=seconds)
        line = shift('2026-11-22T12:00:00.123Z level=info at="2026-11-22T11:59:00Z" v=1.2.3 id=2026-11-22x', by)
        first, rest = line.split(" ", 1)
        moved = parse_time(first)
        assert moved is not None
        assert (moved - k.TAKEN).total_seconds() == pytest.approx(seconds + 0.123)
        assert rest.endswith("v=1.2.3 id=2026-11-22x")

    @given(st.text(max_size=200))
    def test_no_line_breaks_it(self, line: str) -> None:
        from datetime import timedelta

        shift(line, timedelta(hours=5))

    def test_a_folder_without_a_recording_says_what_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match=r"case\.json"):
            Recording(tmp_path)


class TestSelectors:
    @pytest.mark.parametrize(
        ("selector", "held"),
        [
            ("a=1", True),
            ("a==1,b!=3", True),
            ("a in (1, 2)", True),
            ("a notin (1)", False),
            ("!c", True),
            ("a", True),
            ("a=2", False),
            ("", True),
        ],
    )
    def test_labels(self, selector: str, held: bool) -> None:
        assert labels_match(selector, {"a": "1", "b": "2"}) is held

    def test_unknown_fields_are_refused_as_the_real_one_does(self) -> None:
        with pytest.raises(BadSelector):
            fields_match("spec.color=red", {})


@pytest.mark.parametrize("name", ["checkout-config", "oom", "healthy"])
class TestTheIncidents:
    async def test_the_alert_leads_to_its_workload(self, name: str, tmp_path: Path) -> None:
        folder = copy_of(name, tmp_path)
        title = json.loads((folder / "alert.json").read_text())["attachments"][0]["title"]
        words = title.split("] ", 1)[1].replace("(", "").replace(")", "").split()[1:]
        answer = await ask(folder, "resolve_target", query=" ".join(words))
        expected = {
            "checkout-config": ("shop", "Deployment/checkout"),
            "oom": ("media", "Deployment/transcoder"),
            "healthy": ("store", "Deployment/frontend"),
        }
        assert (answer.data["namespace"], answer.data["workload"]) == expected[name]
        assert answer.writes == []

    async def test_the_cluster_shows_the_cause_or_nothing(self, name: str, tmp_path: Path) -> None:
        folder, space = copy_of(name, tmp_path), {"checkout-config": "shop", "oom": "media", "healthy": "store"}[name]
        workload = {"checkout-config": "checkout", "oom": "transcoder", "healthy": "frontend"}[name]
        status = await ask(folder, "get_workload_status", name=workload, namespace=space)
        changed = await ask(folder, "get_recent_changes", target=workload, namespace=space)
        if name == "healthy":
            assert status.codes == set()
            assert changed.codes == {"change.none_found"}
            return
        assert {"deploy.new_revision_failing", "deploy.stuck"} <= status.codes
        assert changed.signals("change.correlated")[0]["subject"] == f"Deployment/{space}/{workload}"
        if name == "checkout-config":
            [cause] = status.signals("k8s.pod.config_error")
            assert (cause["reason"], cause["owner"]) == ("key_missing", "Deployment/shop/checkout")
            assert "PAYMENT_URL" in cause["detail"]
        else:
            assert "256 MiB" in status.signals("k8s.pod.oom_killed")[0]["detail"]
            assert "memory limit 1Gi -> 256Mi" in changed.data["changes"][0]["diff"]

    def test_the_recording_is_a_real_servers(self, name: str) -> None:
        items = json.loads((INCIDENTS / name / "objects.json").read_text())["items"]
        assert len({i["metadata"]["uid"] for i in items}) == len(items)
        assert all(i["metadata"]["resourceVersion"].isdigit() for i in items)
        assert not any(i["kind"] == "Secret" for i in items)
        taken = parse_time(json.loads((INCIDENTS / name / "case.json").read_text())["collected_at"])
        assert taken is not None
        assert all((at := parse_time(i["metadata"]["creationTimestamp"])) and at <= taken for i in items)


def copy_of(name: str, folder: Path) -> Path:
    """The incident in a folder that may be written to."""
    for file in ("objects.json", "logs.json", "case.json", "alert.json"):
        (folder / file).write_bytes((INCIDENTS / name / file).read_bytes())
    return folder


def test_the_shipped_role_reads_and_nothing_else() -> None:
    documents = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/clusterrole.yaml").read_text()))
    rules = [r for d in documents if d["kind"] == "ClusterRole" for r in d["rules"]]
    assert {v for r in rules for v in r["verbs"]} == {"get", "list"}
    resources = {x for r in rules for x in r["resources"]}
    assert not resources & {"secrets", "*", "nodes/proxy", "pods/exec", "pods/attach", "pods/portforward"}
    assert [r["verbs"] for r in rules if r["resources"] == ["configmaps"]] == [["list"]]
