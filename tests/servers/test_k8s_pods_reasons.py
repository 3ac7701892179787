"""The judgements below the pod tools: scheduler, images, probes, claims. Pure functions over raw objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kube_fixture import NOW, Json, ago, container, ended, event, node, pod, running, waiting

from mcp_servers.kubernetes import claims, images, probes, scheduling
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.logtext import tell
from mcp_servers.kubernetes.pod_signals import pod_signals

# -- scheduler -------------------------------------------------------------------------------------------------------------------

CPU = "0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. preemption: 0/4 nodes are available: 4 No preemption."
OLD_TAINT = "0/3 nodes are available: 3 node(s) had taint {dedicated: db}, that the pod didn't tolerate."
SELECTOR = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."


def pending(**spec: Any) -> Json:
    return pod(statuses=[], phase="Pending", node="", **spec)


def only(sick: Json, message: str, nodes: list[Json] | None) -> tuple[str, str]:
    verdict = scheduling.explain(sick, message, nodes)[0]
    return verdict.reason, verdict.detail


def test_the_message_is_read_clause_by_clause() -> None:
    assert [(r.nodes, r.reason) for r in scheduling.refusals(CPU)] == [(1, "cordoned"), (3, "insufficient_cpu")]
    assert [(r.nodes, r.reason) for r in scheduling.refusals(OLD_TAINT)] == [(3, "taint")]
    unbound = "0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/4."
    assert [r.reason for r in scheduling.refusals(unbound)] == ["volume_unbound"]


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ("2 Insufficient memory", "insufficient_memory"),
        ("2 Insufficient nvidia.com/gpu", "insufficient_other"),
        ("2 Too many pods", "insufficient_other"),
        ("2 node(s) didn't match pod anti-affinity rules", "pod_anti_affinity"),
        ("2 node(s) didn't satisfy existing pods anti-affinity rules", "pod_anti_affinity"),
        ("2 node(s) didn't match pod affinity rules", "pod_affinity"),
        ("2 node(s) didn't have free ports for the requested pod ports", "host_port"),
        ("2 node(s) had volume node affinity conflict", "volume_node_affinity"),
        ("2 node(s) didn't find available persistent volumes to bind", "volume_unbound"),
        ("2 node(s) exceed max volume count", "volume_other"),
    ],
)
def test_each_refusal_has_its_reason(clause: str, reason: str) -> None:
    assert only(pending(), f"0/2 nodes are available: {clause}.", None)[0] == reason


def test_the_latest_filter_names_the_way_out() -> None:
    wish = pending(containers=[container(resources={"requests": {"cpu": "12", "memory": 1024}})])
    reason, detail = only(wish, CPU, [node("w1"), node("w2"), node("w3"), node("m", cordoned=True)])
    assert reason == "insufficient_cpu"
    assert (
        detail
        == "the pod requests 12 cores of CPU and 3 nodes have too little left; the largest node has 4 cores allocatable"
    )


def test_a_selector_that_no_node_has_says_what_there_is() -> None:
    reason, detail = only(
        pending(nodeSelector={"env": "prod"}), SELECTOR, [node("w1", labels={"env": "staging"}), node("w2")]
    )
    assert reason == "node_selector"
    assert detail == "the nodeSelector asks for env=prod, and none of the nodes has it (there is env=staging)"


def test_the_only_fitting_node_is_cordoned() -> None:
    nodes = [node("w1", labels={"gpu": "yes"}, cordoned=True), node("w2")]
    said = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable."
    assert only(pending(nodeSelector={"gpu": "yes"}), said, nodes) == (
        "cordoned",
        "the only node with gpu=yes that could take the pod is cordoned: w1",
    )


def required(operator: str, *values: str) -> Json:
    terms = {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": operator, "values": list(values)}]}]
    }
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ["a"], True),
        ("In", ["b"], False),
        ("NotIn", ["a"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_affinity_operators(operator: str, values: list[str], fits: bool) -> None:
    assert scheduling.affine(pending(affinity=required(operator, *values)), node("w1", labels={"zone": "a"})) is fits


def test_affinity_that_only_the_control_plane_satisfies_is_no_way_out() -> None:
    master = node("m1", labels={"node-role.kubernetes.io/control-plane": ""}, cordoned=True)
    wish = pending(affinity=required("NotIn", "a"))
    assert only(wish, SELECTOR, [master, node("w1", labels={"zone": "a"})])[0] == "node_affinity"


def test_a_taint_is_named_with_its_nodes_and_a_toleration_lifts_it() -> None:
    tainted = node("w1", taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}])
    assert only(pending(), OLD_TAINT, [tainted]) == (
        "taint",
        "the pod does not tolerate the taint dedicated=db:NoSchedule of w1",
    )
    lifted = pending(tolerations=[{"key": "dedicated", "operator": "Exists"}])
    assert scheduling.untolerated(lifted, tainted) == []


def test_a_node_that_is_down_is_not_a_matter_of_tolerations() -> None:
    down = node("w1", taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}])
    assert only(pending(), OLD_TAINT, [down])[0] == "node_not_ready"


@pytest.mark.parametrize(("age", "expected"), [(30, []), (90, ["scheduler_silent"])])
def test_a_pod_nobody_looked_at_for_a_minute_accuses_the_scheduler(age: float, expected: list[str]) -> None:
    silent = pending(status={"conditions": []}, age=age)
    assert [s.reason for s in pod_signals(silent, [], None, NOW)] == expected


def test_a_gated_pod_waits_on_purpose() -> None:
    gated = pending(status={"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]})
    assert [s.code for s in pod_signals(gated, [], None, NOW) if s.code.endswith("unschedulable")] == []


# -- images ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('failed to resolve reference "docker.io/a/b:x": docker.io/a/b:x: not found', "not_found"),
        ("manifest for a/b:x not found: manifest unknown: manifest unknown", "not_found"),
        ("rpc error: code = NotFound desc = failed to pull and unpack image", "not_found"),
        (
            'Head "https://r.example/v2/": dial tcp: lookup r.example on 10.96.0.10:53: no such host',
            "registry_unreachable",
        ),
        ('Get "https://r.example/v2/": net/http: TLS handshake timeout', "registry_unreachable"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "registry_unreachable"),
        ("x509: certificate signed by unknown authority", "registry_unreachable"),
        ("failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", "unauthorized"),
        ("no basic auth credentials", "unauthorized"),
        ("pull access denied for a/b, repository does not exist or may require 'docker login'", "unauthorized"),
        ("toomanyrequests: You have reached your pull rate limit", "rate_limited"),
        ("couldn't parse image name: invalid reference format", "invalid_name"),
        ("Back-off pulling image", "unknown"),
    ],
)
def test_pull_errors_by_their_wording(said: str, kind: str) -> None:
    assert images.classify(said) == kind


def pulling(image: str, said: str, **spec: Any) -> tuple[Json, list[Json]]:
    sick = pod(
        containers=[container(image=image)], statuses=[waiting("app", "ImagePullBackOff")], phase="Pending", **spec
    )
    return sick, [event("Failed", f'Failed to pull image "{image}": {said}', about=sick)]


def test_a_missing_pull_secret_is_named() -> None:
    sick, events = pulling("r.example/shop/app:1", "401 Unauthorized", imagePullSecrets=[{"name": "regcred"}])
    events.append(
        event(
            "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (regcred); ...", about=sick
        )
    )
    found = pod_signals(sick, events, None, NOW)[0]
    assert (found.code, found.reason) == ("k8s.pod.image_pull", "unauthorized")
    assert "the pull secret regcred cannot be read" in found.detail


def test_official_images_need_no_login_so_a_refusal_speaks_of_the_name() -> None:
    sick, events = pulling("redis:alpinee", "403 Forbidden")
    assert pod_signals(sick, events, None, NOW)[0].reason == "not_found"
    sick, events = pulling("r.example/redis:alpinee", "403 Forbidden")
    assert pod_signals(sick, events, None, NOW)[0].reason == "unauthorized"


# -- probes ----------------------------------------------------------------------------------------------------------------------


def probed(kind: str, probe: Json, said: str, status: Json, **spec: Any) -> list[Any]:
    sick = pod(containers=[container(**{f"{kind}Probe": probe}, **spec)], statuses=[status])
    told = [event("Unhealthy", f"{kind.capitalize()} probe failed: {said}", about=sick)] if said else []
    return [s for s in pod_signals(sick, told, None, NOW) if s.code == f"k8s.pod.probe_{kind}"]


HTTP = {"httpGet": {"path": "/healthz", "port": 8080}}
KILLED = running(restarts=3, since=20, last=ended(137, after=900, finished=20))


@pytest.mark.parametrize(
    ("probe", "said", "reason"),
    [
        (
            {"httpGet": {"path": "/", "port": 8081}},
            'Get "http://10.0.0.1:8081/": connect: connection refused',
            "wrong_port",
        ),
        ({"grpc": {"port": 8081}}, 'timeout: failed to connect service "10.0.0.1:8081" within 1s', "wrong_port"),
        ({"httpGet": {"path": "/", "port": "web"}}, "", "wrong_port"),
        (HTTP, 'Get "http://10.0.0.1:8080/healthz": connect: connection refused', "failing"),
        (HTTP, "HTTP probe failed with statuscode: 503", "failing"),
        (
            HTTP,
            'Get "http://10.0.0.1:8080/": net/http: HTTP/1.x transport connection broken: malformed HTTP response',
            "wrong_protocol",
        ),
        (
            {"httpGet": {"path": "/", "port": 8080, "scheme": "HTTPS"}},
            "http: server gave HTTP response to HTTPS client",
            "wrong_protocol",
        ),
        ({"httpGet": {"path": "/app-health/app/readyz", "port": 15020}}, "connection refused", "failing"),
    ],
)
def test_a_failing_readiness_probe(probe: Json, said: str, reason: str) -> None:
    found = probed("readiness", probe, said, running(ready=False))
    assert [s.reason for s in found] == [reason]


def test_a_probe_that_kills_before_the_start_is_too_impatient() -> None:
    probe = {**HTTP, "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1}
    status = running(restarts=5, since=5, last=ended(137, after=8, finished=5), ready=False)
    found = probed("liveness", probe, 'Get "http://10.0.0.1:8080/healthz": connect: connection refused', status)
    assert [s.reason for s in found] == ["timing"]
    assert "killed after about 8 s; the probe allows 2 s" in found[0].detail


def test_a_probe_that_fails_after_a_long_life_is_not() -> None:
    found = probed("liveness", HTTP, 'Get "http://10.0.0.1:8080/healthz": connect: connection refused', KILLED)
    assert [s.reason for s in found] == ["failing"]


def test_probe_events_of_another_container_do_not_count() -> None:
    sick = pod(
        containers=[container("app", readinessProbe=HTTP), container("side")],
        statuses=[running("app", ready=False, since=30), running("side")],
    )
    told = event("Unhealthy", "Readiness probe failed: x", about=sick, involved={"fieldPath": "spec.containers{side}"})
    assert probes.failures(sick, o.containers(sick)[0], "readiness", [told]) == []


def test_a_native_sidecar_counts_as_ready_and_is_no_stuck_init_container() -> None:
    sick = pod(
        initContainers=[{"name": "mesh", "image": "m", "restartPolicy": "Always"}],
        status={"initContainerStatuses": [running("mesh")]},
    )
    assert pod_signals(sick, [], None, NOW) == []
    assert o.ready_counts(sick) == (2, 2)


# -- claims ----------------------------------------------------------------------------------------------------------------------


def claim(**spec: Any) -> Json:
    wish = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
        **spec,
    }
    meta = {"name": "data", "namespace": "shop", "creationTimestamp": ago(600)}
    return {"kind": "PersistentVolumeClaim", "metadata": meta, "spec": wish, "status": {"phase": "Pending"}}


def volume(name: str = "pv-1", **spec: Any) -> Json:
    offer = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "", **spec}
    return {"kind": "PersistentVolume", "metadata": {"name": name, "labels": {"disk": "hdd"}}, "spec": offer}


STANDARD = {"kind": "StorageClass", "metadata": {"name": "standard"}, "provisioner": "ebs.csi.aws.com"}


@pytest.mark.parametrize(
    ("wish", "volumes", "reason", "words"),
    [
        (
            {"resources": {"requests": {"storage": "3Gi"}}},
            [volume()],
            "capacity",
            "asks for 3 GiB, volume pv-1 holds 1 GiB",
        ),
        ({"accessModes": ["ReadWriteMany"]}, [volume()], "access_mode", "asks for ReadWriteMany"),
        ({"storageClassName": "fast-ssd"}, [], "storage_class", "StorageClass fast-ssd does not exist"),
        ({"selector": {"matchLabels": {"disk": "ssd"}}}, [volume()], "selector", "label disk=ssd"),
        ({}, [volume(claimRef={"namespace": "shop", "name": "other"})], "already_bound", "belongs to claim shop/other"),
        ({}, [volume(storageClassName="gold")], "storage_class", "volume pv-1 has class gold"),
        (
            {"resources": {"requests": {"storage": "3Gi"}}},
            [volume(accessModes=[], storageClassName="x"), volume("pv-2")],
            "capacity",
            "pv-2",
        ),
        ({}, [], "unknown", "no PersistentVolume"),
        ({"storageClassName": "standard"}, [], "unknown", "has not provisioned it yet"),
    ],
)
def test_why_a_claim_is_not_bound(wish: Json, volumes: list[Json], reason: str, words: str) -> None:
    found = claims.claim_signal(claim(**wish), volumes, [STANDARD], [], NOW)
    assert found is not None
    assert found.reason == reason
    assert words in found.detail


def test_a_provisioners_refusal_is_repeated() -> None:
    wish = claim(storageClassName="standard")
    told = event("ProvisioningFailed", "quota of volumes is used up", about=wish)
    found = claims.claim_signal(wish, [], [STANDARD], [told], NOW)
    assert found is not None
    assert (found.reason, "quota of volumes" in found.detail) == ("provisioning_failed", True)


# -- log lines -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "where"),
    [
        ("dial tcp 10.0.0.1:3306: connect: connection refused", "log.conn_refused", "10.0.0.1:3306"),
        (
            "main.go:42 could not connect to redis-orders:6379: Connection refused",
            "log.conn_refused",
            "redis-orders:6379",
        ),
        ("read tcp 10.0.0.1:41234->10.0.0.9:5432: connection reset by peer", "log.conn_refused", "10.0.0.9:5432"),
        ("java.net.UnknownHostException: mysql-svc", "log.conn_refused", "mysql-svc"),
        ("getaddrinfo ENOTFOUND db.internal db.internal:5432", "log.conn_refused", "db.internal"),
        ("Access denied for user 'root'@'10.0.0.2' (using password: YES)", "log.auth_failed", ""),
        ("required setting PAYMENT_URL is not set", "log.config_missing", "PAYMENT_URL"),
        ("open /etc/app/config.yaml: no such file or directory", "log.config_missing", "/etc/app/config.yaml"),
        ("Web server failed to start. Port 19001 was already in use.", "log.port_in_use", "19001"),
        ("write /data/x: no space left on device", "log.disk_full", "/data/x"),
        ("java.lang.OutOfMemoryError: Java heap space", "log.oom_text", "java.lang.OutOfMemoryError"),
        ("Caused by: java.lang.NullPointerException: x", "log.app_exception", "java.lang.NullPointerException"),
    ],
)
def test_log_lines_and_the_thing_they_name(line: str, code: str, where: str) -> None:
    told = tell(line)
    assert told is not None
    assert (told.code, told.where) == (code, where)


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("x509: certificate has expired or is not yet valid: current time", "log.certificate", "expired"),
        ("Error: certificate has expired code: CERT_HAS_EXPIRED", "log.certificate", "expired"),
        ("ssl.SSLError: certificate verify failed: certificate has expired", "log.certificate", "expired"),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "log.certificate",
            "untrusted",
        ),
        ("SunCertPathBuilderException: PKIX path building failed", "log.certificate", "untrusted"),
        ("FATAL: sorry, too many clients already", "log.too_many_connections", ""),
        ("ERROR 1040 (HY000): Too many connections", "log.too_many_connections", ""),
        ("ERROR: cannot execute INSERT in a read-only transaction", "log.read_only", ""),
        (
            "The MySQL server is running with the --read-only option so it cannot execute this statement",
            "log.read_only",
            "",
        ),
        ("READONLY You can't write against a read only replica.", "log.read_only", ""),
        ('pods is forbidden: User "system:serviceaccount:shop:a" cannot list resource "pods"', "log.api_forbidden", ""),
        ("open /data/x: read-only file system", "log.permission_denied", ""),  # a mount, not a database
    ],
)
def test_what_others_answer_to_a_workload(line: str, code: str, reason: str) -> None:
    told = tell(line)
    assert told is not None
    assert (told.code, told.reason) == (code, reason)


@pytest.mark.parametrize("line", ["server listening on :8080", "finished with 0 errors", "GET /health 200", ""])
def test_calm_lines_tell_nothing(line: str) -> None:
    assert tell(line) is None


@given(st.text(max_size=2000))
def test_no_line_breaks_the_reader_and_what_it_names_is_one_word(line: str) -> None:
    told = tell(line)
    assert told is None or " " not in told.where


KEYS = [
    "spec",
    "status",
    "containers",
    "containerStatuses",
    "state",
    "waiting",
    "conditions",
    "ownerReferences",
    "name",
    "kind",
]
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@given(SHAPES)
def test_no_shape_of_an_object_breaks_the_extractors(shape: Any) -> None:
    thing = {"metadata": shape, "spec": shape, "status": shape}
    o.pod_status(thing)
    o.owner_chain(thing)
    o.ready_counts(thing)
    o.data_keys(thing)
