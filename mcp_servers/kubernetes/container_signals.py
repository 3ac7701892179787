"""What is wrong with a pod's containers: image, creation, memory, crashes, restarts, probes."""

from collections.abc import Iterator
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import images, probes
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.crashes import crash_reason, killed_for_memory
from mcp_servers.kubernetes.loops import looping_since
from mcp_servers.kubernetes.objects import Container, Json
from mcp_servers.kubernetes.pod_case import PodCase
from mcp_servers.kubernetes.quantities import iso, parse_time, quantity, seconds_since, show_bytes, span
from mcp_servers.kubernetes.references import missing_by_lookup, missing_by_message

NOT_READY_S = 60
RECENT_RESTART_S = 1800
OOM_MEMORY_S = 6 * 3600  # how long a past kill for memory still counts while the container runs
INIT_STUCK_S = 300
RECOVERED_S = 120
CREATE_ERRORS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"}
)


def container_signals(case: PodCase) -> Iterator[Signal]:
    for container in o.containers(case.obj):
        if container.kind == "ephemeral":
            continue
        yield from _container(case, container)


def _container(case: PodCase, container: Container) -> Iterator[Signal]:
    kind, details = container.state
    if kind == "waiting" and container.reason in images.WAITING:
        reason, detail = images.judge(case.obj, container, case.events)
        yield case.signal("k8s.pod.image_pull", detail, reason=reason, since=_pulling_since(case))
        return
    broken = container.reason if kind == "waiting" else o.text(container.ended, "reason")
    message = _official(kind, details) or _official("terminated", container.ended)
    if _out_of_memory(case, container):
        yield _oom(case, container)
        return
    if broken in CREATE_ERRORS and kind != "running":
        yield _not_created(case, container, broken, message)
        return
    if container.reason == "CrashLoopBackOff" or _keeps_restarting(case, container):
        yield _crash_loop(case, container)
        return
    if container.kind == "init" and kind == "running":
        lasted = seconds_since(o.text(details, "startedAt"), case.now)
        if lasted is not None and lasted > INIT_STUCK_S:
            yield case.signal(
                "k8s.pod.init_stuck",
                f"init container {container.name} has been running for {span(lasted)}; the others wait for it",
                since=o.text(details, "startedAt"),
            )
        return
    ended = parse_time(o.text(container.last, "finishedAt"))
    if container.restarts and ended and (case.now - ended).total_seconds() < RECENT_RESTART_S:
        yield case.signal(
            "k8s.pod.restart_recent",
            f"container {container.name} restarted {span((case.now - ended).total_seconds())} ago: {exit_text(container)}",
            since=iso(ended),
            count=container.restarts,
        )


def _keeps_restarting(case: PodCase, container: Container) -> bool:
    """A loop between two back-offs: the container just ended again, or runs for a moment and has failed before."""
    if (
        container.kind == "init"
        and container.state[0] == "terminated"
        and (o.number(container.state[1], "exitCode") or 0) == 0
    ):
        return False
    if container.restarts < 2:
        return False
    if container.state[0] == "terminated" and container.kind != "init":
        return True
    if _recovered(case, container):
        return False
    ended = parse_time(o.text(container.last, "finishedAt"))
    recent = ended is not None and (case.now - ended).total_seconds() < 600
    backoff = any(f"failed container {container.name} " in o.text(e, "message") for e in case.told("BackOff"))
    return recent and (backoff or container.restarts >= 3 or not container.ready)


def _recovered(case: PodCase, container: Container) -> bool:
    """Ready, and up for far longer than the run that failed: it crashed while it started (its dependencies were late), and stands now."""
    up = seconds_since(o.text(container.state[1], "startedAt"), case.now) if container.state[0] == "running" else None
    began, ended = (parse_time(o.text(container.last, key)) for key in ("startedAt", "finishedAt"))
    lived = (ended - began).total_seconds() if began and ended else None
    return container.ready and up is not None and lived is not None and up >= max(RECOVERED_S, 3 * lived)


def _out_of_memory(case: PodCase, container: Container) -> bool:
    """The runtime says so: reason OOMKilled, or a start that the kernel ended at the limit. 137 alone is only a kill."""
    last = container.ended
    if o.text(last, "reason") == "OOMKilled" or killed_for_memory(_official("terminated", last)):
        ended = parse_time(o.text(last, "finishedAt"))
        return container.state[0] != "running" or ended is None or (case.now - ended).total_seconds() < OOM_MEMORY_S
    return killed_for_memory(_official(*container.state))


def _official(kind: str, details: Any) -> str:
    """The message of a container's state where the kubelet or the runtime wrote it, else "".

    A process that ran leaves a termination message of its own (a file, or its last log lines): whoever writes those must not be able to
    turn an exit into a lack of memory or a missing Secret. Only where no process ran is the message the runtime's.
    """
    if kind == "terminated" and o.text(details, "reason") not in CREATE_ERRORS:
        return ""
    return o.text(details, "message")


def _oom(case: PodCase, container: Container) -> Signal:
    last = container.ended
    limit = quantity(o.branch(container.spec, "resources", "limits").get("memory"))
    bound = f"its memory limit of {show_bytes(limit)}" if limit else "the node's memory (it has no limit)"
    again = f", {container.restarts} restarts" if container.restarts else ""
    return case.signal(
        "k8s.pod.oom_killed",
        f"container {container.name} was killed at {bound}{_lifetime(last)}{again}",
        since=iso(looping_since(case.obj, container)),
        threshold=limit,
        unit="bytes" if limit else "",
        count=container.restarts or None,
    )


def _not_created(case: PodCase, container: Container, broken: str, message: str) -> Signal:
    """A container that the kubelet or the runtime cannot create or start."""
    told = message or next((o.text(e, "message") for e in case.told("Failed", "FailedMount")), "")
    reason, sentence = missing_by_message(told)
    if not reason and case.configmaps is not None:
        hard = [m for m in missing_by_lookup(case.obj, case.configmaps) if not m[2].optional]
        reason, sentence = (hard[0][0], hard[0][1]) if hard else ("", "")
    lowered = told.lower()
    if not reason and _bad_command(lowered, o.number(container.ended, "exitCode")):
        reason, sentence = "command_invalid", f"its command cannot be run: {_inner(told)}"
    if not reason and any(
        w in lowered for w in ("runasnonroot", "run as root", "runasuser", "seccomp", "apparmor", "capabilit")
    ):
        reason, sentence = "security_context", f"the security context does not allow it: {_inner(told)}"
    return case.signal(
        "k8s.pod.config_error",
        f"container {container.name} cannot be created: {sentence or _inner(told) or broken}",
        reason=reason or "unknown",
        since=o.text(case.obj, "status", "startTime") or None,
        count=container.restarts or None,
    )


def _bad_command(lowered: str, code: int | None) -> bool:
    phrases = (
        "executable file not found",
        "exec format error",
        "no such file or directory: unknown",
        "permission denied: unknown",
        "exec: ",
    )
    return code in (126, 127) or any(p in lowered for p in phrases)


def _inner(message: str) -> str:
    """The innermost clause of a runtime's nested error."""
    text = message.removesuffix(": unknown")
    at = max(text.rfind("exec: "), text.rfind("error: "))
    return clean(text[at:] if at > 0 else text, 140)


def _crash_loop(case: PodCase, container: Container) -> Signal:
    last = container.ended
    code = o.number(last, "exitCode")
    liveness = probes.killed_by_liveness(case.obj, container, case.events)
    reason, why = crash_reason(case.obj, container, case.logs.get(container.name), by_probe=liveness)
    what = "init container" if container.kind == "init" else "container"
    ended = f"exit code {code} ({o.exit_meaning(code)})" if code is not None else "no exit code is known"
    detail = f"{what} {container.name} restarted {container.restarts} times; last end: {ended}{_lifetime(last)}{why}"
    return case.signal(
        "k8s.pod.crash_loop",
        detail,
        reason=reason,
        since=iso(looping_since(case.obj, container)),
        count=container.restarts,
        value=float(code) if code is not None else None,
        unit="exit_code" if code is not None else "",
    )


def probe_signals(case: PodCase) -> Iterator[Signal]:
    """Probes that fail now: readiness of a running container that is not ready, liveness and startup that ended or threaten it."""
    for container in o.main_containers(case.obj):
        kind, details = container.state
        running_for = seconds_since(o.text(details, "startedAt"), case.now) if kind == "running" else None
        if (
            running_for is not None
            and not container.ready
            and probes.probe_of(container, "readiness")
            and not o.is_deleting(case.obj)
        ):
            patience = o.number(probes.probe_of(container, "readiness"), "initialDelaySeconds") or 0
            told = probes.failures(case.obj, container, "readiness", case.events)
            starting = container.status.get("started") is False
            waited = (
                running_for > patience + NOT_READY_S and not container.restarts
            )  # a restarting one has other troubles
            if not starting and (told or waited):
                yield from _probe(case, container, "readiness")
        if probes.killed_by_liveness(case.obj, container, case.events) or probes.threatens(
            case.obj, container, case.events, case.now
        ):
            yield from _probe(case, container, "liveness")
        if container.status.get("started") is False and container.restarts:
            yield from _probe(case, container, "startup")


def _probe(case: PodCase, container: Container, kind: probes.ProbeKind) -> Iterator[Signal]:
    verdict = probes.judge(case.obj, container, kind, case.events, case.now)
    if verdict:
        since = iso(verdict.since) or o.text(container.state[1], "startedAt") or None
        yield case.signal(
            f"k8s.pod.probe_{kind}", verdict.detail, reason=verdict.reason, since=since, count=verdict.count or None
        )


def exit_text(container: Container) -> str:
    """``OOMKilled, exit code 137 (killed (SIGKILL)) after 42 s``; "" where the container never ended."""
    last = container.ended
    code = o.number(last, "exitCode")
    if code is None:
        return ""
    reason = o.text(last, "reason")
    return f"{reason + ', ' if reason else ''}exit code {code} ({o.exit_meaning(code)}){_lifetime(last)}"


def _lifetime(ended: Json) -> str:
    began, over = parse_time(o.text(ended, "startedAt")), parse_time(o.text(ended, "finishedAt"))
    if not began or not over or began.year < 2000 or over < began:
        return ""
    return f" after {span((over - began).total_seconds())}"


def memory_limit(container: Container) -> str:
    return show_bytes(quantity(o.branch(container.spec, "resources", "limits").get("memory")))


def _pulling_since(case: PodCase) -> str | None:
    told = case.told("Failed", "BackOff", "Pulling")
    return iso(o.event_first(told[-1])) if told else o.text(case.obj, "status", "startTime") or None
