"""What the server never does: write, read Secrets, open a shell or a tunnel, list without bound, read a ConfigMap's data, show a secret."""

import re
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kube_fixture import (
    METRICS_API,
    FakeCluster,
    Request,
    ask,
    configmap,
    container,
    deployment,
    ended,
    event,
    node,
    pod,
    replica_set,
    running,
    session,
)

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes.kinds import KINDS, path
from mcp_servers.kubernetes.private_keys import without_private_keys
from mcp_servers.kubernetes.slim import slim

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))
import attacker_kit

Json = dict[str, Any]
SECRETS = attacker_kit.known_secrets()
ADDONS = tuple(dict.fromkeys(row.versions[0] for row in KINDS.values() if row.custom))
REVIEWS = re.compile(r"/apis/authorization\.k8s\.io/v1/selfsubject(access|rules)reviews")
PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TELLING = {
    "find_unhealthy",
    "get_deployment_history",
    "get_events",
    "get_pod_logs",
    "get_pod_status",
    "get_recent_changes",
    "get_workload_status",
}
HERE = {"namespace": "shop"}
POD = "checkout-7d9f8c6b5-x8k2p"
CALLS: list[tuple[str, Json]] = [
    ("find_unhealthy", {}),
    ("find_unhealthy", HERE),
    ("get_deployment_history", {"deployment_name": "checkout", **HERE}),
    ("get_deployment_history", {"deployment_name": "checkout"}),
    ("get_events", {"warnings_only": False, "limit": 60, **HERE}),
    ("get_events", {"object": f"Pod/{POD}", **HERE}),
    ("get_node_health", {}),
    ("get_node_health", {"node": "worker-1"}),
    ("get_pod_logs", {"pod_name": POD, "mode": "tail", "limit": 200, **HERE}),
    ("get_pod_logs", {"pod_name": POD, "previous": True, **HERE}),
    ("get_pod_status", {"pod_name": POD, **HERE}),
    ("get_pod_status", {"pod_name": "checkout", **HERE}),
    ("get_recent_changes", {"target": "checkout", **HERE}),
    ("get_recent_changes", {"scope": "cluster"}),
    ("get_resource_usage", HERE),
    ("get_service_health", {"service_name": "checkout", **HERE}),
    ("get_service_health", {"service_name": "gone", **HERE}),
    ("get_workload_status", {"name": "checkout", **HERE}),
    ("get_workload_status", {"name": "nightly", "kind": "cronjob"}),
    ("resolve_target", {"query": "checkout"}),
    ("resolve_target", {"query": "10.42.0.9"}),
    ("health", {}),
]


def shop(secrets: list[Any]) -> FakeCluster:
    """A shop in trouble with secrets wherever somebody can write: environment, annotations, labels, events, logs, ConfigMaps."""
    lines = [s.line for s in secrets]
    copied = {"kubectl.kubernetes.io/last-applied-configuration": " ".join(lines)}
    written = {**copied, **{f"note-{i}": line for i, line in enumerate(lines)}}
    app = container(
        env=[{"name": f"SETTING_{i}", "value": line} for i, line in enumerate(lines)]
        + [{"name": "DB_PASSWORD", "value": s.core} for s in secrets],
        command=["/bin/app", *lines[:3]],
        args=lines[3:6],
        envFrom=[{"configMapRef": {"name": "settings"}}],
    )
    crash = ended(1, message=" ".join(lines[:4]))
    sick = pod(
        POD, statuses=[running(restarts=4, ready=False, last=crash)], containers=[app], status={"podIP": "10.42.0.9"}
    )
    sick["metadata"]["annotations"] = written
    sick["metadata"]["labels"] |= {f"label-{i}": line for i, line in enumerate(lines)}
    of = deployment()
    of["metadata"]["annotations"] |= written | {"kubernetes.io/change-cause": lines[0]}
    of["spec"]["template"]["spec"]["containers"] = [app]
    sets = [replica_set(), replica_set("checkout-66f4", "checkout")]
    for number, item in enumerate(sets):
        item["metadata"]["annotations"] = {
            "deployment.kubernetes.io/revision": str(2 - number),
            "kubernetes.io/change-cause": lines[1],
        }
        item["spec"] = {
            "template": {
                "metadata": {},
                "spec": {"containers": [container(image=f"shop/checkout:{number}", env=app["env"][number:])]},
            }
        }
    service = {
        "kind": "Service",
        "metadata": {"name": "checkout", "namespace": "shop", "annotations": written},
        "spec": {"selector": {"app": "checkout"}},
    }
    events = [event(f"BackOff{i}", f"Back-off because {line}", about=sick) for i, line in enumerate(lines)]
    settings = configmap("settings", "URL", annotations=written)
    settings["data"] = dict.fromkeys(["URL"], " ".join(lines))
    secret = {
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop", "annotations": copied},
        "data": {"p": lines[0]},
    }
    text = "\n".join(f"2026-11-22T06:59:00Z ERROR {line}" for line in lines)
    fake = FakeCluster(
        [
            sick,
            of,
            *sets,
            service,
            *events,
            settings,
            secret,
            node(),
            {"kind": "Namespace", "metadata": {"name": "shop"}},
        ]
    )
    fake.logs = {f"shop/{POD}/app": text, f"shop/{POD}/app/previous": text}
    fake.versions = (*fake.versions, METRICS_API, *ADDONS)
    return fake


def misdeed(request: Request) -> str:
    """What is wrong with a request, "" when nothing is."""
    resource = re.sub(r"^/(api/v1|apis/[^/]+/[^/]+)/?(namespaces/[^/]+/(?=[^/]))?", "", request.path)
    parts = resource.split("/") if resource != request.path else []
    if request.method != "GET":
        return "" if request.method == "POST" and REVIEWS.fullmatch(request.path) else "writes"
    if "secrets" in request.path.split("/"):
        return "reads Secrets"
    if set(request.path.split("/")) & {"exec", "attach", "proxy", "portforward", "eviction", "scale", "token"}:
        return "reaches into a pod or a node"
    if request.query.get("watch") or request.query.get("follow"):
        return "does not end"
    listed = len(parts) == 1 and parts[0]
    if listed and not 0 < int(request.query.get("limit") or 0) <= 500:
        return "lists without bound"
    if parts and parts[0] == "configmaps" and (request.accept != PARTIAL or len(parts) > 1):
        return "reads a ConfigMap's data"
    if parts[2:] == ["log"] and not (request.query.get("tailLines") and request.query.get("limitBytes")):
        return "reads a log without bound"
    return ""


async def test_no_tool_does_any_of_it_and_no_secret_comes_out(tmp_path: Path) -> None:
    assert len({s.kind for s in SECRETS}) >= 60
    half = len(SECRETS) // 2  # so many fit into an answer
    leaks: set[str] = set()
    fake = shop(SECRETS[:half])
    async with session(fake, tmp_path, RCA_CACHE_S="0", RCA_MAX_RESULT_BYTES="24000") as client:
        assert {t.name for t in (await client.list_tools()).tools} == {name for name, _ in CALLS}
        for part, calls in ((SECRETS[:half], CALLS), (SECRETS[half:], [c for c in CALLS if c[0] in TELLING and c[1]])):
            other = shop(part)
            fake.objects, fake.logs = other.objects, other.logs
            for name, arguments in calls:
                answer = await ask(client, name, **arguments)
                assert answer.get("error", {}).get("code", "NOT_FOUND") == "NOT_FOUND", (name, answer)
                leaks |= {f"{s.kind} by {name} {arguments}" for s in part if s.core in str(answer)}
    assert not leaks
    assert not {f"{r.method} {r.path}": why for r in fake.seen if (why := misdeed(r))}
    for seen in ("/configmaps", "/log", "/argoproj.io/"):
        assert any(seen in r.path for r in fake.seen), seen


@given(
    st.lists(st.sampled_from(["", "ready", "2026-11-22T06:59:00.1Z got a request", "a b c d e f"]), max_size=6),
    st.integers(0, 9),
)
def test_a_private_key_spread_over_lines_is_no_longer_there(others: list[str], cut: int) -> None:
    body = [f"{'Ab3+' * 15}{n:04d}" for n in range(8)] + ["Qw=="]
    key = ["-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", *body, "-----END RSA PRIVATE KEY-----"]
    for lines in (key, [f"2026-11-22T06:59:00Z {line}" for line in key]):
        shown = without_private_keys("\n".join([*others, *lines, *others]))
        assert "Ab3+" not in shown
        assert "Qw==" not in shown
        assert shown.split("\n")[-len(others) or len(shown) :] == others
        assert "Ab3+" not in without_private_keys(
            "\n".join([*lines[2 + cut % 8 :], *others])
        )  # the log begins in the middle
        assert "Ab3+" not in without_private_keys("\n".join([*others, *lines[: 3 + cut % 8]]))  # or ends there
    assert without_private_keys("\n".join(others)) == "\n".join(others)


def test_the_judge_of_requests_sees_what_it_is_for() -> None:
    """A test that finds nothing proves something only if it would have found it."""
    whole = {"limit": "500"}
    bad = [
        Request("DELETE", "/api/v1/namespaces/shop/pods/a", {}, ""),
        Request("POST", "/api/v1/namespaces/shop/pods/a/exec", {}, ""),
        Request("GET", "/api/v1/namespaces/shop/secrets", whole, PARTIAL),
        Request("GET", "/api/v1/nodes/a/proxy/run", {}, ""),
        Request("GET", "/api/v1/pods", {}, ""),
        Request("GET", "/apis/apps/v1/namespaces/shop/deployments", {"limit": "5000"}, ""),
        Request("GET", "/api/v1/pods", {**whole, "watch": "1"}, ""),
        Request("GET", "/api/v1/namespaces/shop/configmaps", whole, "application/json"),
        Request("GET", "/api/v1/namespaces/shop/configmaps/settings", {}, PARTIAL),
        Request("GET", "/api/v1/namespaces/shop/pods/a/log", {}, ""),
    ]
    assert [misdeed(r) for r in bad if not misdeed(r)] == []
    good = [
        Request("GET", "/version", {}, ""),
        Request("GET", "/apis", {}, ""),
        Request("GET", "/api/v1/namespaces", whole, ""),
        Request("GET", "/api/v1/namespaces/shop", {}, ""),
        Request("GET", "/apis/argoproj.io/v1alpha1", {}, ""),
        Request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, ""),
    ]
    assert [r for r in good if misdeed(r)] == []


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=40), st.text(max_size=40))
def test_no_name_leads_out_of_its_path(kind: str, namespace: str, name: str) -> None:
    row = KINDS[kind]
    try:
        built = path(row.versions[0], row, namespace, name)
    except ToolFailure as failure:
        assert failure.info.code == "VALIDATION"
        return
    known = {"api", "apis", "namespaces", *row.versions[0].split("/"), row.plural, namespace, name, ""}
    assert set(built.split("/")) <= known
    assert not {"secrets", "..", "proxy", "exec"} & set(built.split("/")) - {namespace, name}


async def test_a_lighter_pod_is_judged_like_the_whole_one(tmp_path: Path) -> None:
    """`slim` takes parts of pods in order away while they are read: what triage says must not depend on it."""
    well = pod("checkout-7d9f8c6b5-aaaaa", volumes=[{"name": "v"}], tolerations=[{}])
    ill = pod(
        "checkout-7d9f8c6b5-bbbbb", statuses=[running(restarts=3, ready=False, last=ended(1))], volumes=[{"name": "v"}]
    )
    assert "volumes" not in slim({**well, "spec": dict(well["spec"])})["spec"]
    assert slim(ill)["spec"]["volumes"]
    fake = FakeCluster([well, ill, deployment(wanted=2, available=1), replica_set(), node()])
    async with session(fake, tmp_path) as client:
        answer = await ask(client, "find_unhealthy", namespace="shop", kind="pods")
    [row] = answer["rows"]
    assert (row["owner"], row["affected"], row["total"]) == ("Deployment/shop/checkout", 1, 2)
