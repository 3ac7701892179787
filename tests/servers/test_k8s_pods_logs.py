"""`get_pod_logs`, `get_events`, `find_unhealthy`, and what must never leave any of them."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from kube_fixture import (
    FakeCluster,
    Json,
    ago,
    ask,
    codes,
    configmap,
    container,
    deployment,
    detail,
    ended,
    event,
    node,
    pod,
    replica_set,
    running,
    session,
    waiting,
)

from mcp_servers.kubernetes import tools_events, tools_logs, tools_unhealthy

NAME = "checkout-7d9f8c6b5-x8k2p"
KEY = f"shop/{NAME}/app"


async def logs(tmp_path: Path, text: dict[str, str], sick: Json | None = None, **arguments: Any) -> Json:
    fake = FakeCluster([sick or pod(), node(), replica_set()], logs=text)
    async with session(fake, tmp_path, tools_logs) as client:
        answer = await ask(client, "get_pod_logs", namespace="shop", pod_name=NAME, **arguments)
    assert fake.writes() == []
    return answer


# -- logs ------------------------------------------------------------------------------------------------------------------------


async def test_lines_that_say_the_same_become_one_with_count_and_times_errors_first(tmp_path: Path) -> None:
    calm = [f"{ago(200 - i)} INFO served request {i} in {i} ms" for i in range(50)]
    bad = [f"{ago(90 - i)} ERROR cart-{i}: dial tcp 10.0.0.{i}:6379: connect: connection refused" for i in range(3)]
    answer = await logs(tmp_path, {KEY: "\n".join([*calm, *bad])})
    top, rest = answer["patterns"][0], answer["patterns"][1:]
    assert (top["level"], top["count"], top["first"], top["last"]) == ("error", 3, ago(90), ago(88))
    assert [(p["level"], p["count"]) for p in rest] == [("other", 50)]
    assert answer["summary"].startswith("53 lines, 3 errors")
    assert codes(answer)["log.conn_refused"] == "refused"
    assert "10.0.0.2:6379" in " ".join(s["detail"] for s in answer["signals"])
    assert {"patterns[].sample", "lines[]"} <= set(answer["untrusted"])


async def test_a_full_disk_is_a_volumes_where_the_pod_mounts_a_claim(tmp_path: Path) -> None:
    said = {KEY: f"{ago(60)} PANIC: could not write to file: No space left on device"}
    assert codes(await logs(tmp_path, said)) == {"log.disk_full": ""}
    owner = pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
    assert codes(await logs(tmp_path, said, owner)) == {"log.disk_full": "volume"}


async def test_stack_frames_belong_to_their_line(tmp_path: Path) -> None:
    frames = ["\tat com.shop.A.run(A.java:17)", "\tat com.shop.B.run(B.java:3)", '  File "x.py", line 3']
    text = "\n".join(["ERROR boom", "java.lang.IllegalStateException: x", *frames])
    answer = await logs(tmp_path, {KEY: text})
    assert answer["lines_read"] == 2
    assert codes(answer) == {"log.app_exception": ""}


async def test_the_tail_shows_lines_as_they_are_but_for_what_hides(tmp_path: Path) -> None:
    answer = await logs(tmp_path, {KEY: "one\n\x1b[31mtwo\u202e\u200b\x07\nthree"}, mode="tail", limit=2)
    assert answer["lines"] == ["two", "three"]


async def test_a_container_that_waits_says_so_instead_of_nothing(tmp_path: Path) -> None:
    answer = await logs(tmp_path, {}, pod(statuses=[waiting("app", "ContainerCreating")], phase="Pending"))
    assert answer["lines_read"] == 0
    assert "container app has no log yet" in " ".join(answer["notes"])


async def test_a_pod_that_waits_for_a_node_has_no_log_and_says_why(tmp_path: Path) -> None:
    async with session(
        FakeCluster([pod(statuses=[], phase="Pending", node="")], logs={KEY: ""}), tmp_path, tools_logs
    ) as client:
        answer = await ask(client, "get_pod_logs", namespace="shop", pod_name="checkout")
    assert answer["notes"][-1] == "container app has no log yet: the pod is Pending"
    assert answer["summary"].endswith("container app has no log yet: the pod is Pending")


async def test_no_earlier_run_is_an_empty_answer_with_its_reason(tmp_path: Path) -> None:
    answer = await logs(tmp_path, {KEY: "x"}, previous=True)
    assert answer["lines_read"] == 0
    assert "there was no earlier run of container app" in " ".join(answer["notes"])


async def test_an_empty_present_run_falls_back_to_the_one_before(tmp_path: Path) -> None:
    sick = pod(statuses=[waiting("app", "CrashLoopBackOff", restarts=3, last=ended(1))])
    answer = await logs(tmp_path, {KEY: "", f"{KEY}/previous": "fatal: required setting PAYMENT_URL is not set"}, sick)
    assert answer["previous"] is True
    assert codes(answer) == {"log.config_missing": ""}
    assert "PAYMENT_URL" in detail(answer, "log.config_missing")


async def test_the_run_before_is_read_where_the_present_one_says_nothing_of_the_crash(tmp_path: Path) -> None:
    before = "Web server failed to start. Port 8080 was already in use."
    sick = pod(statuses=[running(ready=False, restarts=3, since=20, last=ended(1))])
    texts = {KEY: f"{ago(10)} INFO starting", f"{KEY}/previous": before}
    answer = await logs(tmp_path, texts, sick)
    assert answer["previous"] is True
    assert codes(answer) == {"log.port_in_use": ""}
    assert "says nothing of why it restarts" in " ".join(answer["notes"])
    telling = await logs(tmp_path, {**texts, KEY: f"{ago(10)} ERROR connection refused"}, sick)
    assert telling["previous"] is False
    long_ago = pod(statuses=[running(restarts=3, last=ended(1, finished=90_000))])
    assert (await logs(tmp_path, texts, long_ago))["previous"] is False


async def test_a_refusal_inside_of_a_database_drivers_trace_is_one_of_the_database(tmp_path: Path) -> None:
    trace = [
        f"{ago(9)} ERROR Communications link failure",
        "Caused by: java.net.ConnectException: Connection refused",
        "\tat java.net.Socket.connect(Socket.java:607)",
        "\tat com.mysql.cj.protocol.StandardSocketFactory.connect(StandardSocketFactory.java:153)",
    ]
    assert codes(await logs(tmp_path, {KEY: "\n".join(trace)}))["log.conn_refused"] == "database"
    other = [*trace[1:3], "\tat io.grpc.netty.NettyClient.connect(NettyClient.java:1)"]
    assert codes(await logs(tmp_path, {KEY: "\n".join(other)}))["log.conn_refused"] == "refused"


async def test_a_route_that_always_fails_is_told(tmp_path: Path) -> None:
    rows = [f'{ago(60 - n)} 10.0.0.9 - - [x] "GET /api/v1/{{}} HTTP/1.1" {{}} 1' for n in range(12)]
    text = "\n".join([r.format("orders/7", 404) for r in rows] + [r.format("carts/7", 200) for r in rows])
    answer = await logs(tmp_path, {KEY: text})
    assert codes(answer) == {"log.route_failing": "not_found"}
    assert "route /api/v1/orders always answers 404" in detail(answer, "log.route_failing")


async def test_a_filter_that_finds_nothing_says_how_much_there_was(tmp_path: Path) -> None:
    answer = await logs(tmp_path, {KEY: "a\nb"}, contains="zebra")
    assert "none of the 2 lines in the window contains that text" in answer["notes"]


async def test_the_applications_container_is_chosen_before_its_sidecar(tmp_path: Path) -> None:
    two = pod(
        containers=[container("istio-proxy"), container("app")], statuses=[running("istio-proxy"), running("app")]
    )
    answer = await logs(tmp_path, {KEY: "from the app"}, two)
    assert answer["container"] == "app"
    wrong = await logs(tmp_path, {KEY: "x"}, two, container="nope")
    assert wrong["error"]["hint"] == "containers: istio-proxy, app"


@pytest.mark.parametrize("window", ["yesterday", "5x", "2030-01-01T00:00:00Z/2030-01-02T00:00:00Z", "now/now-1h"])
async def test_a_window_that_cannot_be_read_carries_the_time_and_examples(tmp_path: Path, window: str) -> None:
    error = (await logs(tmp_path, {KEY: "x"}, time_range=window))["error"]
    assert error["code"] == "VALIDATION"
    assert "2026-11-22T07:00:00Z" in error["message"]
    assert "15m" in error["hint"]


async def test_a_flood_of_lines_stays_within_its_size(tmp_path: Path) -> None:
    letters = str.maketrans("0123456789", "ghijklmnop")
    words = [f"ERROR {hashlib.sha256(str(i).encode()).hexdigest().translate(letters) * 3}" for i in range(1500)]
    answer = await logs(tmp_path, {KEY: "\n".join(words)}, limit=200)
    assert len(str(answer)) < 16_000
    assert answer["truncated"] is True
    assert any("patterns: the first" in note for note in answer["notes"])


# -- events ----------------------------------------------------------------------------------------------------------------------


async def events(tmp_path: Path, *objects: Json, **arguments: Any) -> Json:
    async with session(FakeCluster(list(objects)), tmp_path, tools_events) as client:
        return await ask(client, "get_events", **arguments)


async def test_events_of_one_workload_are_one_row(tmp_path: Path) -> None:
    pods = [pod(f"checkout-7d9f8c6b5-{x}") for x in ("bbbbb", "ccccc")]
    told = [
        event("BackOff", f"Back-off restarting failed container app in pod {p['metadata']['name']}", about=p)
        for p in pods
    ]
    answer = await events(tmp_path, *told, namespace="shop")
    assert [(r["object"], r["count"]) for r in answer["events"]] == [("Deployment/shop/checkout", 10)]
    assert codes(answer) == {"k8s.pod.crash_loop": "unknown"}
    assert answer["signals"][0]["owner"] == "Deployment/shop/checkout"


@pytest.mark.parametrize(
    ("reason", "said", "code", "refined"),
    [
        (
            "FailedScheduling",
            "0/4 nodes are available: 4 Insufficient cpu.",
            "k8s.pod.unschedulable",
            "insufficient_cpu",
        ),
        ("Failed", 'Failed to pull image "a/b:1": manifest unknown', "k8s.pod.image_pull", "not_found"),
        ("Failed", 'Error: secret "db" not found', "k8s.pod.config_error", "secret_missing"),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "x" : configmap "y" not found',
            "k8s.pod.volume_mount",
            "configmap_missing",
        ),
        (
            "FailedCreatePodSandBox",
            "dial unix /run/containerd/containerd.sock: connect",
            "k8s.pod.sandbox_failed",
            "runtime",
        ),
        (
            "FailedCreate",
            'pods "x" is forbidden: exceeded quota: q, requested: pods=1',
            "deploy.failed_create",
            "quota",
        ),
        ("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found', "pvc.pending", "storage_class"),
        ("Evicted", "The node was low on resource: ephemeral-storage.", "k8s.pod.evicted", "disk"),
    ],
)
async def test_what_an_event_means(tmp_path: Path, reason: str, said: str, code: str, refined: str) -> None:
    assert codes(await events(tmp_path, event(reason, said, about=pod()))) == {code: refined}


async def test_no_warning_says_what_there_is_instead(tmp_path: Path) -> None:
    calm = event("Started", "Started container app", about=pod(), type="Normal")
    answer = await events(tmp_path, calm, namespace="shop")
    assert "1 events about shop in this window, all of them normal" in answer["notes"][0]
    gone = await events(tmp_path, namespace="shop", object="Pod/nope")
    assert "Pod nope does not exist in shop" in gone["notes"]


# -- triage ----------------------------------------------------------------------------------------------------------------------


async def unhealthy(tmp_path: Path, fake: FakeCluster, **arguments: Any) -> Json:
    async with session(fake, tmp_path, tools_unhealthy) as client:
        answer = await ask(client, "find_unhealthy", **arguments)
    assert fake.writes() == []
    return answer


async def test_pods_of_one_workload_are_one_row_with_their_replicas(tmp_path: Path) -> None:
    sick = [
        pod(f"checkout-7d9f8c6b5-{x}", statuses=[waiting("app", "ImagePullBackOff")], phase="Pending")
        for x in ("bbbbb", "ccccc")
    ]
    objects = [*sick, pod("checkout-7d9f8c6b5-ddddd"), deployment("checkout", 3, 1), replica_set(), node()]
    answer = await unhealthy(tmp_path, FakeCluster(objects), namespace="shop")
    row = answer["rows"][0]
    assert (row["owner"], row["severity"], row["affected"], row["total"]) == (
        "Deployment/shop/checkout",
        "critical",
        2,
        3,
    )
    assert len(answer["rows"]) == 1
    assert {"k8s.pod.image_pull", "deploy.unavailable"} <= set(codes(answer))
    assert answer["signals"][0]["count"] == 2


async def test_everything_healthy_says_what_was_looked_at(tmp_path: Path) -> None:
    master = node("control-plane-1", cordoned=True, labels={"node-role.kubernetes.io/control-plane": ""})
    answer = await unhealthy(
        tmp_path, FakeCluster([pod(), deployment(), replica_set(), node(), master]), namespace="shop"
    )
    assert "rows" not in answer
    assert "signals" not in answer
    assert "everything that was read in namespace shop is healthy: 1 Pods" in answer["notes"][0]


async def test_an_empty_namespace_is_not_called_healthy(tmp_path: Path) -> None:
    answer = await unhealthy(tmp_path, FakeCluster(), namespace="nope")
    assert "does it exist" in answer["notes"][0]


async def test_a_silent_node_is_told_once_with_what_runs_on_it(tmp_path: Path) -> None:
    lost = node("worker-1", ready="Unknown")
    objects = [
        pod(),
        pod("cart-7d9f8c6b5-x8k2p"),
        deployment("checkout", 1, 0),
        replica_set(),
        replica_set("cart-7d9f8c6b5", "cart"),
        lost,
    ]
    for each in objects[:2]:
        each["status"]["conditions"][0]["status"] = "False"
    answer = await unhealthy(tmp_path, FakeCluster(objects), namespace="shop")
    assert answer["signals"][0]["code"] == "node.not_ready"
    assert "k8s.pod.node_lost" not in codes(answer)
    assert "2 workloads have pods on it" in answer["rows"][0]["problem"]


async def test_what_may_not_be_read_is_said_and_the_rest_stands(tmp_path: Path) -> None:
    fake = FakeCluster([pod(), deployment()], faults={"/nodes": (403, "no")})
    answer = await unhealthy(tmp_path, fake, namespace="shop")
    assert [(p["part"], p["code"]) for p in answer["partial"]] == [("Node", "FORBIDDEN")]
    refused = FakeCluster(faults={"/pods": (403, "no")})
    assert (await unhealthy(tmp_path, refused, namespace="shop"))["error"][
        "missing_permission"
    ] == "list pods in namespace shop"


async def test_a_proxy_that_does_not_run_is_the_control_planes_matter(tmp_path: Path) -> None:
    proxy = pod("kube-proxy-x8k2p", statuses=[waiting("app", "CrashLoopBackOff", restarts=2)])
    proxy["metadata"] |= {"namespace": "kube-system", "labels": {"k8s-app": "kube-proxy"}, "ownerReferences": []}
    answer = await unhealthy(tmp_path, FakeCluster([proxy, node()]), namespace="shop", kind="nodes")
    assert codes(answer) == {"control.component_down": "kube_proxy"}
    assert answer["signals"][0]["subject"] == "Node/worker-1"


# -- what must never leave -------------------------------------------------------------------------------------------------------

SECRETS = {
    "literal": "hunter2-env-literal",
    "applied": "s3cr3t-applied-config",
    "log": "AKIAIOSFODNN7EXAMPLE",
    "pair": "pa55w0rd-in-a-log",
    "url": "dbpassword-in-url",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "event": "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "slack": "xoxb-1234567890-abcdefghij",
}


async def test_no_planted_secret_leaves_any_tool(tmp_path: Path) -> None:
    env = [{"name": "DB_PASSWORD", "value": SECRETS["literal"]}, {"name": "PLAIN", "value": SECRETS["literal"]}]
    said = f"couldn't start: token={SECRETS['event']}"
    last = ended(1, message=f"bad url postgres://app:{SECRETS['url']}@db:5432/x")
    sick = pod(
        containers=[container(env=env)], statuses=[waiting("app", "CrashLoopBackOff", said, restarts=4, last=last)]
    )
    applied = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":{{"P":"{SECRETS["applied"]}"}}}}'}
    sick["metadata"]["annotations"] = applied
    workload = deployment("checkout", 1, 0)
    workload["metadata"]["annotations"] |= applied
    workload["spec"]["template"]["spec"]["containers"][0]["env"] = env
    text = f"""ERROR password={SECRETS["pair"]} key {SECRETS["log"]}
    {{"level":"error","msg":"login failed","password":"{SECRETS["pair"]}"}}
    ERROR Authorization: Bearer {SECRETS["jwt"]}
    ERROR hook {SECRETS["slack"]} postgres://app:{SECRETS["url"]}@db:5432/x refused"""
    objects = [
        sick,
        workload,
        replica_set(),
        node(),
        configmap("settings", "A", annotations=applied),
        event("BackOff", f"failed with {SECRETS['event']}", about=sick),
    ]
    fake = FakeCluster(objects, logs={KEY: text, f"{KEY}/previous": text})
    async with session(fake, tmp_path) as client:
        listed = {t.name for t in (await client.list_tools()).tools}
        calls: list[tuple[str, Json]] = [
            ("get_pod_status", {"namespace": "shop", "pod_name": NAME}),
            ("get_pod_logs", {"namespace": "shop", "pod_name": NAME}),
            ("get_pod_logs", {"namespace": "shop", "pod_name": NAME, "mode": "tail", "previous": True}),
            ("get_events", {"namespace": "shop"}),
            ("find_unhealthy", {"namespace": "shop"}),
        ]
        more: dict[str, Json] = {
            "get_workload_status": {"name": "checkout", "namespace": "shop"},
            "get_deployment_history": {"deployment_name": "checkout", "namespace": "shop"},
            "get_recent_changes": {"namespace": "shop"},
            "resolve_target": {"query": "namespace=shop pod=checkout"},
        }
        calls += [(tool, arguments) for tool, arguments in more.items() if tool in listed]
        for tool, arguments in calls:
            result = await client.call_tool(tool, arguments)
            shown = str(result.structured_content) + str(result.content)
            for name, secret in SECRETS.items():
                assert secret not in shown, f"{tool} shows the planted {name}"
    assert fake.writes() == []


async def test_every_tool_is_read_only_strict_small_and_known(tmp_path: Path) -> None:
    async with session(FakeCluster(), tmp_path) as client:
        tools = (await client.list_tools()).tools
    assert {"get_pod_status", "get_pod_logs", "get_events", "find_unhealthy"} <= {t.name for t in tools}
    assert len(tools) <= 12
    verbs = ("create", "update", "delete", "patch", "apply", "scale", "exec", "restart", "kill", "drop", "insert")
    for tool in tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.input_schema["additionalProperties"] is False
        assert len(tool.input_schema["properties"]) <= 8
        assert len(tool.description or "") <= 350
        assert '"title":' not in str(tool.input_schema).replace("'", '"')
        assert not any(verb in tool.name for verb in verbs)


async def test_the_server_lists_its_tools_while_the_cluster_is_away(tmp_path: Path) -> None:
    from mcp import Client

    from mcp_servers.kubernetes.server import create_server

    async with Client(create_server({"KUBECONFIG": str(tmp_path / "none")})) as client:
        assert len((await client.list_tools()).tools) >= 4
        answer = await ask(client, "find_unhealthy", namespace="shop")
    assert answer["error"]["code"] == "UNAVAILABLE"
    assert answer["error"]["hint"]
