"""`resolve_target`: from an alert's words to objects that exist."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.kubernetes.hints import is_exporter, read_hints, workload_names_of
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import Answer, ask

CART, FRONT, KSM = (k.template(n, f"r/{n}:1") for n in ("cart", "frontend", "kube-state-metrics"))
POD = "cart-7d9f8c6b5-x8k2p"


def shop() -> list[k.Json]:
    return [
        k.namespace("shop"),
        k.namespace("store"),
        k.namespace("monitoring"),
        k.node("worker-01"),
        k.deployment("cart", CART),
        k.replica_set("cart", "7d9f8c6b5", 1, CART, replicas=2),
        k.pod(
            POD, CART, k.owner("ReplicaSet", "cart-7d9f8c6b5"), waiting="CrashLoopBackOff", restarts=3, ip="10.42.0.31"
        ),
        k.pod("cart-7d9f8c6b5-bbbbb", CART, k.owner("ReplicaSet", "cart-7d9f8c6b5"), ip="10.42.0.32"),
        k.service("cart", {"app": "cart"}),
        k.deployment("frontend", FRONT),
        k.deployment("frontend", FRONT, space="store"),
        k.service("web", {"app": "frontend"}),
        k.deployment("kube-state-metrics", KSM, space="monitoring"),
        k.pod("kube-state-metrics-55dd7b858c-77jrd", KSM, [], space="monitoring", ip="10.42.0.9"),
    ]


async def resolve(tmp_path: Path, query: str, **arguments: object) -> Answer:
    return await ask(k.write(tmp_path, shop()), "resolve_target", query=query, **arguments)  # type: ignore[arg-type]


class TestImages:
    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("r/cart:1", "runs the image"),
            ("registry.example:5000/r/cart@sha256:" + "0" * 64, ""),
            ("cart:v9", "runs another version of the image (1)"),
        ],
    )
    async def test_who_runs_it(self, tmp_path: Path, query: str, words: str) -> None:
        answer = await resolve(tmp_path, query)
        found = answer.data.get("workload", "")
        assert (found == "Deployment/cart") == bool(words), answer.data
        assert words in answer.text

    @pytest.mark.parametrize("word", ["10.0.0.1:80", "cart:8080", "shop/cart", "http://a/b/c", "cart"])
    def test_other_words_are_none(self, word: str) -> None:
        assert read_hints(word).images == ()


class TestWordsWithoutNames:
    async def test_the_default_slack_title(self, tmp_path: Path) -> None:
        job = "https-main 10.42.0.9:8443 kube-state-metrics"
        words = f"shop prod-eu cart {job} {POD} monitoring/k8s CrashLoopBackOff kube-state-metrics warning"
        answer = await resolve(tmp_path, words, session=True)
        found = answer.data
        assert (found["namespace"], found["workload"], found["service"]) == ("shop", "Deployment/cart", "cart")
        assert found["pods"] == [POD, "cart-7d9f8c6b5-bbbbb"]
        assert (found["container"], found["node"]) == ("cart", "worker-01")
        assert found["confidence"] > 0.95

    async def test_the_scrape_job_is_meant_only_where_nothing_else_is(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "kube-state-metrics critical")
        assert answer.data["workload"] == "Deployment/kube-state-metrics"
        assert answer.data["confidence"] < 0.5

    async def test_a_uid_is_proof(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, f"warning {k.uid('Pod', 'shop', POD)}")
        assert answer.data["pods"][0] == POD

    async def test_a_service_leads_to_what_it_selects(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "shop web critical")
        assert (answer.data["workload"], answer.data["service"]) == ("Deployment/frontend", "web")


class TestNamesWrittenOtherwise:
    async def test_a_route_drops_separators_and_prefixes(self, tmp_path: Path) -> None:
        billing = k.template("shop-order-service", "r/o:1")
        more = [
            *shop(),
            k.deployment("shop-order-service", billing),
            k.service("shop-order-service", {"app": "shop-order-service"}),
        ]
        found = (
            await ask(k.write(tmp_path, more), "resolve_target", query="service=orderservice", namespace="shop")
        ).data
        assert found["workload"] == "Deployment/shop-order-service"
        assert "the only one named like orderservice" in found["why"]

    async def test_two_that_are_alike_are_none(self, tmp_path: Path) -> None:
        twins = [k.service(name, {"app": "cart"}) for name in ("a-order-service", "b-order-service")]
        answer = await ask(
            k.write(tmp_path, [*shop(), *twins]), "resolve_target", query="service=orderservice", namespace="shop"
        )
        assert "orderservice" not in str(answer.data.get("workload"))


class TestNamedHints:
    async def test_a_pod_that_is_gone_leads_to_its_workload(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "namespace=shop pod=cart-5c6d7e8f9-zzzzz")
        assert answer.data["workload"] == "Deployment/cart"
        assert "is gone" in answer.data["notes"][0]
        assert answer.data["pods"][0] == POD

    async def test_only_a_namespace(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "namespace=shop")
        assert (answer.data["namespace"], answer.data["workload"], answer.data["pods"]) == ("shop", "", [])
        assert "only the namespace shop is known" in answer.data["why"]

    async def test_a_node(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "node=worker-01 warning")
        assert (answer.data["node"], answer.data["workload"], answer.data["namespace"]) == ("worker-01", "", "")

    async def test_the_hostname_of_a_service(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "frontend.store.svc.cluster.local:8080")
        assert (answer.data["namespace"], answer.data["workload"]) == ("store", "Deployment/frontend")

    async def test_a_kind_with_a_name(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "namespace=store workload=Deployment/frontend")
        assert answer.data["namespace"] == "store"


class TestAddressesOfServices:
    """What a log line, a trace or a probe names: where the Service is reached."""

    def shop(self) -> list[k.Json]:
        web = k.service(
            "web", {"app": "frontend"}, spec={"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77", "fd00::77"]}
        )
        broken = k.service("billing", {"app": "nobody"}, spec={"clusterIP": "10.96.0.78"})
        return [*(i for i in shop() if i["metadata"]["name"] != "web"), web, broken]

    @pytest.mark.parametrize(
        "query",
        [
            "10.96.0.77 critical",
            "10.96.0.77:80",
            "[fd00::77]:80",
            "namespace=shop web:80",
            "web.shop:80",
            "web.shop",
            "web.shop.svc:80",
            "http://web.shop.svc.cluster.local/api?x=1",
            "service=web.shop.svc",
            "namespace=shop service=web:80",
        ],
    )
    async def test_lead_to_the_service_and_what_it_selects(self, tmp_path: Path, query: str) -> None:
        answer = await ask(k.write(tmp_path, self.shop()), "resolve_target", query=query)
        found = answer.data
        assert (found["namespace"], found["workload"], found["service"]) == ("shop", "Deployment/frontend", "web")
        assert found["confidence"] >= 0.7

    @pytest.mark.parametrize("query", ["billing.shop.svc:80", "10.96.0.78", "namespace=shop billing"])
    async def test_a_service_that_selects_nobody_is_found_as_well(self, tmp_path: Path, query: str) -> None:
        answer = await ask(k.write(tmp_path, self.shop()), "resolve_target", query=query)
        found = answer.data
        assert (found["namespace"], found["workload"], found["service"]) == ("shop", "", "billing")
        assert "selects no workload" in found["why"]

    async def test_a_host_elsewhere_is_nothing_here(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, self.shop()), "resolve_target", query="api.example.com:443")
        assert (answer.data["confidence"], answer.data["service"]) == (0.0, "")

    async def test_a_scrape_target_on_a_node_is_the_node(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, self.shop()), "resolve_target", query="worker-01:9100")
        assert (answer.data["node"], answer.data["workload"]) == ("worker-01", "")


class TestDoubt:
    async def test_ambiguity_is_said_and_not_guessed(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "frontend critical")
        assert answer.data["workload"] == ""
        assert {a["namespace"] for a in answer.data["alternatives"]} == {"shop", "store"}
        assert answer.data["confidence"] < 0.5
        assert "fit equally" in answer.data["why"]

    async def test_a_namespace_settles_it(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "frontend store critical")
        assert (answer.data["namespace"], answer.data["workload"]) == ("store", "Deployment/frontend")

    @pytest.mark.parametrize("query", ["", "critical warning", "10.1.1.1:9100"])
    async def test_nothing_to_go_by(self, tmp_path: Path, query: str) -> None:
        answer = await resolve(tmp_path, query)
        assert (answer.data["confidence"], answer.data["namespace"], answer.failed) == (0.0, "", False)

    async def test_an_unknown_name_gets_close_ones(self, tmp_path: Path) -> None:
        answer = await resolve(tmp_path, "namespace=shpo service=carts")
        assert "close names: cart" in answer.data["why"]
        assert "namespace shpo does not exist; close names: shop" in answer.data["notes"]


class TestShapes:
    @pytest.mark.parametrize(
        ("pod", "workload"),
        [
            ("cart-7d9f8c6b5-x8k2p", "cart"),
            ("my-app-5f78d57d6d-7bj4f", "my-app"),
            ("redis-0", "redis"),
            ("log-agent-2gxtm", "log-agent"),
        ],
    )
    def test_what_a_pod_could_belong_to(self, pod: str, workload: str) -> None:
        assert workload in workload_names_of(pod)

    @pytest.mark.parametrize(
        "name", ["kube-state-metrics", "prometheus-node-exporter", "kubelet", "kube-state-metrics-55dd7b858c-77jrd"]
    )
    def test_exporters(self, name: str) -> None:
        assert is_exporter(name)

    @pytest.mark.parametrize("name", ["cart", "prometheus-shop-api", "metrics"])
    def test_not_exporters(self, name: str) -> None:
        assert not is_exporter(name)

    @given(st.text(max_size=400))
    def test_any_text_can_be_read(self, query: str) -> None:
        hints = read_hints(query)
        assert len(hints.words) <= 40
