"""Who calls whom, by the addresses in settings."""

from typing import Any

from mcp_servers.kubernetes.callgraph import called_from, callers_of_workload

Json = dict[str, Any]


def workload(name: str, **env: str) -> Json:
    container = {"name": "app", "env": [{"name": k, "value": v} for k, v in env.items()]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": {"template": template}}


def service(name: str, app: str = "") -> Json:
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"app": app or name}},
    }


WORKLOADS = [
    workload("web", ORDERS_URL="http://orders:8080/api", HOME="/root"),
    workload("orders", DB_HOST="ledger-db.shop.svc.cluster.local:5432", WEB="web:80"),
    workload("ledger"),
    workload("lonely"),
]
SERVICES = [service("web"), service("orders"), service("ledger-db", "ledger"), service("gone", "nobody")]


def test_what_a_workload_depends_on_near_things_first_and_each_once() -> None:
    assert called_from("Deployment/shop/web", WORKLOADS, SERVICES) == [
        "Service/shop/orders",
        "Deployment/shop/orders",
        "Service/shop/web",
        "Service/shop/ledger-db",
        "Deployment/shop/ledger",
    ]


def test_a_service_that_selects_nobody_is_called_all_the_same() -> None:
    caller = workload("caller", GONE="gone:80")
    assert called_from("Deployment/shop/caller", [caller], SERVICES) == ["Service/shop/gone"]


def test_who_calls_it() -> None:
    assert callers_of_workload("Deployment/shop/orders", WORKLOADS, SERVICES) == ["Deployment/shop/web"]
    assert callers_of_workload("Deployment/shop/lonely", WORKLOADS, SERVICES) == []
    assert called_from("Deployment/shop/lonely", WORKLOADS, SERVICES) == []
    assert called_from("Deployment/shop/nothing", WORKLOADS, SERVICES) == []
