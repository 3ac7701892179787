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


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"LEDGER_DB_HOST": "ledger", "LEDGER_DB_PORT": "5433"}, "database_port"),
        ({"CART_HOST": "cart", "CART_PORT": "8080"}, "port"),
        ({"CART_HOST": "cartt", "CART_PORT": "80"}, "host"),
        ({"CART_HOST": "cart", "CART_PORT": "80"}, None),
        ({"LISTEN_HOST": "cartt", "LISTEN_PORT": "80"}, None),  # what it serves on, not whom it calls
        ({"CART_HOST": "cartt"}, None),  # no port beside it: it may be a mere name
    ],
)
async def test_host_and_port_in_two_settings_are_one_address(
    tmp_path: Path, env: dict[str, str], told: str | None
) -> None:
    settings = [{"name": name, "value": value} for name, value in env.items()]
    items = [*workload("cart"), k.service("cart", {"app": "cart"}), *workload("frontend", env=settings)]
    items += [*workload("ledger"), k.service("ledger", {"app": "ledger"}, port=5432)]
    answer = await triage(tmp_path, *items)
    assert [s["reason"] for s in answer.signals("svc.address_wrong")] == ([told] if told else [])


async def test_an_address_in_another_namespace_whose_namesake_is_at_home(tmp_path: Path) -> None:
    home = [*workload("cart"), k.service("cart", {"app": "cart"}), *calling("http://cart.test.svc:80")]
    away = [k.namespace("test"), *workload("mail", "test"), k.service("mail", {"app": "mail"}, space="test")]
    for asked in ("shop", ""):
        [wrong] = (await triage(tmp_path, *home, *away, namespace=asked)).signals("svc.address_wrong")
        assert (wrong["subject"], wrong["severity"]) == ("Deployment/shop/frontend", "critical")
    there = [*away, k.service("cart", {"app": "mail"}, space="test")]
    assert not (await triage(tmp_path, *home, *there)).signals("svc.address_wrong")
    # A namespace that shows no Service at all may only be one that was not recorded.
    [doubt] = (await triage(tmp_path, *home)).signals("svc.address_wrong")
    assert doubt["severity"] == "warning"
    # Without a namesake at home nothing is said: the recorded part of a cluster need not be all of it.
    assert not (await triage(tmp_path, *workload("a"), *calling("otel.tools:4317"))).signals("svc.address_wrong")


def ingress(service: str, port: k.Json) -> k.Json:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": port}}}
    return k.thing(
        "Ingress", "networking.k8s.io/v1", "front", spec={"rules": [{"host": "a.example", "http": {"paths": [path]}}]}
    )


@pytest.mark.parametrize(
    ("service", "port", "reason"),
    [
        ("cart", {"number": 80}, None),
        ("cart-v2", {"number": 80}, "service"),
        ("cart", {"number": 8080}, "port"),
        ("cart", {"name": "metrics"}, "port"),
    ],
)
async def test_where_an_ingress_leads(tmp_path: Path, service: str, port: k.Json, reason: str | None) -> None:
    answer = await triage(tmp_path, *workload("cart"), k.service("cart", {"app": "cart"}), ingress(service, port))
    assert [(s["subject"], s["reason"]) for s in answer.signals("svc.route_broken")] == (
        [("Ingress/shop/front", reason)] if reason else []
    )


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
