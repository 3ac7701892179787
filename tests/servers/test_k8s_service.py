"""`get_service_health`: where the chain from a Service to its pods breaks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.kubernetes.addresses import addresses_of
from mcp_servers.kubernetes.namespace_signals import Wiring, wiring_signals
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import ask

CART = k.template("cart", "r/cart:1")
RS = k.owner("ReplicaSet", "cart-aaaaa1")


def cart(ready: bool = True, **service: object) -> list[k.Json]:
    selector = service.pop("selector", {"app": "cart"})
    return [
        k.namespace(),
        k.node(),
        k.deployment("cart", CART, replicas=1, available=int(ready)),
        k.replica_set("cart", "aaaaa1", 1, CART, replicas=1, ready=int(ready)),
        k.pod("cart-aaaaa1-x8k2p", CART, RS, ready=ready),
        k.service("cart", selector, **service),  # type: ignore[arg-type]
        k.endpoint_slice("cart", ["cart-aaaaa1-x8k2p"] if ready else [], [] if ready else ["cart-aaaaa1-x8k2p"]),
    ]


def fronted(address: str) -> k.Json:
    caller = k.template("frontend", "r/frontend:1", env=[{"name": "CART_ADDR", "value": address}])
    return k.deployment("frontend", caller, replicas=1)


class TestAHealthyService:
    async def test_says_so_and_lists_who_calls_it(self, tmp_path: Path) -> None:
        answer = await ask(
            k.write(tmp_path, [*cart(), fronted("cart:80")]),
            "get_service_health",
            service_name="cart",
            namespace="shop",
        )
        assert answer.codes == {"svc.single_replica"}
        assert answer.data["endpoints"]["ready"] == 1
        assert answer.data["workloads"] == ["Deployment/shop/cart"]
        assert answer.data["callers"] == ["Deployment/shop/frontend (CART_ADDR)"]


class TestSelectors:
    async def test_a_differing_value_is_named(self, tmp_path: Path) -> None:
        items = [*cart(selector={"app": "cart_v2"})[:-1]]
        answer = await ask(k.write(tmp_path, items), "get_service_health", service_name="cart")
        [wrong] = answer.signals("svc.selector_mismatch")
        assert wrong["subject"] == "Service/shop/cart"
        assert "'cart'" in wrong["detail"]
        assert "'cart_v2'" in wrong["detail"]
        assert "svc.no_endpoints" in answer.codes

    async def test_a_workload_at_zero_is_not_a_selector_mismatch(self, tmp_path: Path) -> None:
        items = [k.namespace(), k.deployment("cart", CART, replicas=0), k.service("cart", {"app": "cart"})]
        answer = await ask(k.write(tmp_path, items), "get_service_health", service_name="cart")
        assert {"deploy.scaled_to_zero", "svc.no_endpoints"} <= answer.codes
        assert "svc.selector_mismatch" not in answer.codes
        assert "no pod exists: cart is scaled to zero" in answer.data["notes"]


class TestPorts:
    @pytest.mark.parametrize(
        ("target", "probe", "severity"),
        [
            ("metrics", None, "critical"),  # a name that no container declares
            (9999, 8080, "critical"),  # the probe confirms the declared port
            (9999, None, "info"),  # a declaration alone proves nothing
        ],
    )
    async def test_a_target_that_no_container_declares(
        self, tmp_path: Path, target: int | str, probe: int | None, severity: str
    ) -> None:
        # A name that resolves to nothing has no endpoints; the cluster lists a number's whatever it is.
        items = cart(target=target, ready=isinstance(target, int))
        if probe:
            items[4]["spec"]["containers"] = [
                {**items[4]["spec"]["containers"][0], "readinessProbe": {"httpGet": {"port": probe}}}
            ]
        answer = await ask(k.write(tmp_path, items), "get_service_health", service_name="cart")
        [wrong] = answer.signals("svc.port_mismatch")
        assert wrong["severity"] == severity
        assert str(target) in wrong["detail"]
        assert "8080/TCP" in wrong["detail"]

    async def test_a_name_that_the_cluster_resolved_is_no_fault(self, tmp_path: Path) -> None:
        """Ready endpoints exist only where the name was found, so a recording or an old object that lacks it proves nothing."""
        answer = await ask(k.write(tmp_path, cart(target="metrics")), "get_service_health", service_name="cart")
        assert [s["severity"] for s in answer.signals("svc.port_mismatch")] == ["info"]

    async def test_the_declared_port_by_name_is_fine(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, cart(target="http")), "get_service_health", service_name="cart")
        assert "svc.port_mismatch" not in answer.codes

    async def test_another_protocol(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, cart(protocol="UDP")), "get_service_health", service_name="cart")
        assert "svc.protocol_mismatch" in answer.codes
        assert "svc.port_mismatch" not in answer.codes


class TestEndpoints:
    async def test_none_ready_names_the_owner(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, cart(ready=False)), "get_service_health", service_name="cart")
        [none] = answer.signals("svc.no_endpoints")
        assert none["owner"] == "Deployment/shop/cart"
        assert "none of 1 pods is ready" in none["detail"]

    async def test_an_alias_has_neither_pods_nor_faults(self, tmp_path: Path) -> None:
        items = [k.thing("Service", "v1", "mail", spec={"type": "ExternalName", "externalName": "smtp.example.com"})]
        answer = await ask(k.write(tmp_path, items), "get_service_health", service_name="mail")
        assert answer.codes == {"svc.externalname"}
        assert "smtp.example.com" in answer.data["summary"]


class TestNetworkPolicies:
    def policy(self, ingress: list[k.Json] | None, selector: k.Json | None) -> k.Json:
        spec: k.Json = {"policyTypes": ["Ingress"]}
        if selector is not None:
            spec["podSelector"] = selector
        if ingress is not None:
            spec["ingress"] = ingress
        return k.thing("NetworkPolicy", "networking.k8s.io/v1", "deny", spec=spec)

    @pytest.mark.parametrize(
        ("ingress", "selector", "blocks"),
        [
            (None, {"matchLabels": {"app": "cart"}}, True),
            ([{"ports": [{"port": 9090}]}], {"matchLabels": {"app": "cart"}}, True),
            ([{"ports": [{"port": 8080}]}], {"matchLabels": {"app": "cart"}}, False),
            ([{"ports": [{"port": 8000, "endPort": 8100}]}], {}, False),
            ([{}], {}, False),
            (None, {"matchLabels": {"app": "other"}}, False),
            (None, None, False),  # a policy whose selector is not known says nothing
        ],
    )
    async def test_what_follows_from_the_policies(
        self, tmp_path: Path, ingress: list[k.Json] | None, selector: k.Json | None, blocks: bool
    ) -> None:
        answer = await ask(
            k.write(tmp_path, [*cart(), self.policy(ingress, selector)]), "get_service_health", service_name="cart"
        )
        assert ("net.policy_blocks" in answer.codes) is blocks

    @pytest.mark.parametrize(
        ("spec", "blocks"),
        [
            # Who is admitted: the caller, somebody else, or what cannot be told from here.
            ({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "frontend"}}}]}]}, False),
            ({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "gate"}}}]}]}, True),
            ({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}, False),
            ({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, False),
            # What may leave the caller.
            ({"podSelector": {"matchLabels": {"app": "frontend"}}, "policyTypes": ["Egress"]}, True),
            ({"podSelector": {"matchLabels": {"app": "frontend"}}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 53}]}]}, True),
            ({"podSelector": {"matchLabels": {"app": "frontend"}}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 8080}]}]}, False),
            ({"podSelector": {"matchLabels": {"app": "other"}}, "policyTypes": ["Egress"]}, False),
        ],
    )  # fmt: skip
    async def test_what_they_do_to_one_known_caller(self, tmp_path: Path, spec: k.Json, blocks: bool) -> None:
        calls = k.template("frontend", "r/frontend:1", env=[{"name": "CART_ADDR", "value": "cart:80"}])
        policy = k.thing("NetworkPolicy", "networking.k8s.io/v1", "rule", spec=spec)
        items = [*cart(), k.deployment("frontend", calls), policy]
        answer = await ask(k.write(tmp_path, items), "get_service_health", service_name="cart")
        assert ("net.policy_blocks" in answer.codes) is blocks
        if blocks:
            assert answer.signals("net.policy_blocks")[0]["owner"] == "Deployment/shop/frontend"


class TestAMissingService:
    async def test_is_an_answer_where_a_caller_names_it(self, tmp_path: Path) -> None:
        items = [k.namespace(), k.deployment("cart", CART, replicas=1), fronted("cart:80")]
        answer = await ask(
            k.write(tmp_path, items), "get_service_health", session=True, service_name="cart", namespace="shop"
        )
        [gone] = answer.signals("svc.missing")
        assert gone["severity"] == "critical"
        assert gone["owner"] == "Deployment/shop/cart"
        assert "CART_ADDR of frontend" in gone["detail"]

    async def test_is_explained_by_a_quota_of_services_that_is_used_up(self, tmp_path: Path) -> None:
        quota = k.thing(
            "ResourceQuota",
            "v1",
            "team",
            status={"hard": {"services": "3", "pods": "9"}, "used": {"services": "3", "pods": "2"}},
        )
        items = [k.namespace(), k.deployment("cart", CART, replicas=1), fronted("cart:80"), quota]
        answer = await ask(k.write(tmp_path, items), "get_service_health", service_name="cart", namespace="shop")
        [full] = answer.signals("quota.exceeded")
        assert (full["reason"], full["owner"]) == ("services", "Namespace/shop")

    async def test_is_only_worth_a_word_where_nobody_calls_it(self, tmp_path: Path) -> None:
        answer = await ask(
            k.write(tmp_path, [k.deployment("worker", CART)]),
            "get_service_health",
            service_name="worker",
            namespace="shop",
        )
        assert answer.signals("svc.missing")[0]["severity"] == "info"

    async def test_and_without_any_trace_of_it_the_close_names_help(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, cart()), "get_service_health", service_name="carts", namespace="shop")
        assert answer.data["error"]["code"] == "NOT_FOUND"
        assert "shop/cart" in answer.data["error"]["hint"]


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "severity"),
        [
            ("cart:80", None),
            ("http://cart.shop.svc.cluster.local:80/api", None),
            ("cart:7070", "critical"),
            ("carts:80", "critical"),
            ("cart-old:80", "critical"),
            ("ledger:80", "warning"),
            ("db.example.com:5432", None),
            ("postgres://user:pw@cart:5432/x", None),  # user information: never looked at
            ("localhost:80", None),
        ],
    )
    async def test_a_wrong_host_or_port_is_told_without_the_value(
        self, tmp_path: Path, address: str, severity: str | None
    ) -> None:
        answer = await ask(k.write(tmp_path, [*cart(), fronted(address)]), "get_service_health", service_name="cart")
        found = answer.signals("svc.address_wrong")
        assert [s["severity"] for s in found] == ([severity] if severity else [])
        assert all(s["subject"] == "Deployment/shop/frontend" for s in found)
        assert "pw@" not in answer.text

    @given(st.text(max_size=200))
    def test_no_value_breaks_the_reader(self, value: str) -> None:
        list(addresses_of(fronted(value)))


def test_the_wiring_of_a_namespace_in_one_go() -> None:
    items = cart(selector={"app": "basket"})
    caller = fronted("ledger:80")
    ledger = k.deployment("ledger", k.template("ledger", "r/ledger:1"))
    services = [i for i in items if i["kind"] == "Service"]
    found = wiring_signals(Wiring("shop", services, [items[2], caller, ledger], [items[4]]))
    assert {s.code for s in found} == {"svc.selector_mismatch", "svc.missing"}
