"""`find_unhealthy` sees how a namespace is wired: a Service that leads nowhere is found without being asked about."""

from pathlib import Path

import pytest
from kube_fixture import FakeCluster, deployment, session
from kube_fixture import ask as fixture_ask

from mcp_servers.kubernetes import tools_unhealthy
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import Answer, ask


def workload(name: str, space: str = "shop", **container: object) -> list[k.Json]:
    """A healthy Deployment of one pod."""
    shape = k.template(name, f"r/{name}:1", **container)  # type: ignore[arg-type]
    return [
        k.deployment(name, shape, space=space),
        k.replica_set(name, "aaaaa1", 1, shape, space=space),
        k.pod(f"{name}-aaaaa1-x8k2p", shape, k.owner("ReplicaSet", f"{name}-aaaaa1", space), space=space),
    ]


def calling(address: str) -> list[k.Json]:
    return workload("frontend", env=[{"name": "CART_ADDR", "value": address}])


async def triage(folder: Path, *items: k.Json, **arguments: object) -> Answer:
    asked = {"namespace": "shop", **arguments}
    return await ask(k.write(folder, [k.namespace(), k.node(), *items]), "find_unhealthy", **asked)  # type: ignore[arg-type]


async def test_a_well_wired_namespace_is_healthy(tmp_path: Path) -> None:
    answer = await triage(tmp_path, *workload("cart"), k.service("cart", {"app": "cart"}), *calling("cart:80"))
    assert answer.codes == set()
    assert "1 Services" in answer.data["summary"]


async def test_a_selector_that_matches_no_pod(tmp_path: Path) -> None:
    answer = await triage(tmp_path, *workload("cart"), k.service("cart", {"app": "cart-v2"}), *calling("cart:80"))
    [row] = answer.data["rows"]
    assert (row["owner"], row["kind"], row["severity"]) == ("Service/shop/cart", "services", "critical")
    assert answer.codes == {"svc.selector_mismatch"}


async def test_a_wrong_target_port(tmp_path: Path) -> None:
    service = k.service("cart", {"app": "cart"}, target="grpc")
    answer = await triage(tmp_path, *workload("cart"), service, *calling("cart:80"))
    assert answer.codes == {"svc.port_mismatch"}


@pytest.mark.parametrize(
    ("address", "severity"), [("cart:8080", "critical"), ("cartt:80", "critical"), ("billing:80", "warning")]
)
async def test_an_address_that_leads_nowhere(tmp_path: Path, address: str, severity: str) -> None:
    answer = await triage(tmp_path, *workload("cart"), k.service("cart", {"app": "cart"}), *calling(address))
    [wrong] = answer.signals("svc.address_wrong")
    assert (wrong["subject"], wrong["severity"]) == ("Deployment/shop/frontend", severity)


async def test_a_missing_service_and_the_quota_that_forbids_it(tmp_path: Path) -> None:
    quota = k.thing(
        "ResourceQuota",
        "v1",
        "few",
        spec={"hard": {"services": "1"}},
        status={"hard": {"services": "1"}, "used": {"services": "1"}},
    )
    items = [*workload("cart"), *workload("mail"), k.service("mail", {"app": "mail"}), *calling("cart:80"), quota]
    answer = await triage(tmp_path, *items)
    assert answer.codes == {"svc.missing", "quota.exceeded"}
    assert answer.signals("quota.exceeded")[0]["owner"] == "Namespace/shop"


async def test_a_leftover_that_nobody_calls_is_no_trouble(tmp_path: Path) -> None:
    leftover = k.service("old", {"app": "retired"})
    assert (await triage(tmp_path, *workload("cart"), leftover)).codes == set()


async def test_the_trouble_of_one_workload_stays_one_row(tmp_path: Path) -> None:
    items = calling("cart:8080")
    items[0]["status"] |= {"availableReplicas": 0, "readyReplicas": 0}
    answer = await triage(tmp_path, *items, *workload("cart"), k.service("cart", {"app": "cart"}))
    assert [r["owner"] for r in answer.data["rows"]] == ["Deployment/shop/frontend"]
    assert "svc.address_wrong" in answer.codes


async def test_namespaces_are_judged_apart(tmp_path: Path) -> None:
    """The same names in two namespaces: one is wired well, the other is not."""
    good = [*workload("cart"), k.service("cart", {"app": "cart"})]
    bad = [k.namespace("test"), *workload("cart", "test"), k.service("cart", {"app": "other"}, space="test")]
    answer = await triage(tmp_path, *good, *bad, namespace="")
    assert [s["subject"] for s in answer.signals("svc.selector_mismatch")] == ["Service/test/cart"]


async def test_only_services_can_be_asked_for(tmp_path: Path) -> None:
    items = [*workload("cart"), k.service("cart", {"app": "cart-v2"})]
    answer = await triage(tmp_path, *items, kind="services")
    assert answer.codes == {"svc.selector_mismatch"}
    assert set(answer.data["checked"]) == {"Service", "Pod", "Deployment", "StatefulSet", "DaemonSet"}


async def test_nothing_is_claimed_missing_that_was_not_read(tmp_path: Path) -> None:
    """Without the list of pods a selector that matches none proves nothing."""
    objects = [
        deployment(),
        {"kind": "Service", "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"selector": {"app": "cart"}}},
    ]
    fake = FakeCluster(objects, faults={"/pods": (403, "no")})
    async with session(fake, tmp_path, tools_unhealthy) as client:
        answer = await fixture_ask(client, "find_unhealthy", namespace="shop", kind="services")
    assert "signals" not in answer
    assert [p["part"] for p in answer["partial"]] == ["Pod"]
