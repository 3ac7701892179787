"""``rca playbooks new``: a starter that is valid, matches its alert, passes its own tests and says in comments what to do next."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

from bot.alerts.lead import lead
from bot.alerts.model import Alert
from bot.alerts.parse import parse
from bot.playbooks.rows import BadAlert, alert_of
from bot.playbooks.yamlfile import MAX_BYTES, YamlError, read

_NOT_ID = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_METRIC = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*_[a-zA-Z0-9_:]+\b")


class NotAStart(Exception):
    """The source gives no name to start from; the message says what would."""


def run(source: str, to: Path | None, *, force: bool) -> int:
    """Exit code 0 when the starter was written or printed, 2 for a source or a target that cannot be used."""
    try:
        alert = alert_from(source)
        text = starter(alert)
        if to is None:
            sys.stdout.write(text)
            return 0
        file = to if to.suffix in (".yaml", ".yml") else to / f"{playbook_id(alert.name)}.yaml"
        if file.exists() and not force:
            print(f"rca playbooks new: {file} is there already; --force replaces it", file=sys.stderr)
            return 2
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except NotAStart as error:
        print(f"rca playbooks new: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"rca playbooks new: {to} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{file}\nrca playbooks lint {file.parent} && rca playbooks test {file.parent}")
    return 0


def alert_from(source: str) -> Alert:
    """The alert of a name, of a file that holds one (a message, a webhook, an Alert) or of a Prometheus rule. Raises `NotAStart`."""
    path = Path(source)
    if source != "-" and not path.is_file():
        if "/" in source or path.suffix in (".json", ".yaml", ".yml"):
            raise NotAStart(f"{source} is no file; give an alert's name, or a file with an alert or a rule")
        return alert_of({"name": source.strip(), "severity": "warning"}, "alertmanager")
    try:
        text = sys.stdin.read(MAX_BYTES) if source == "-" else path.read_text(encoding="utf-8")[:MAX_BYTES]
    except (OSError, UnicodeDecodeError) as error:
        raise NotAStart(f"{source} cannot be read: {error}") from None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = read(text.encode()).value
        except YamlError as error:
            raise NotAStart(f"{source} is neither JSON nor YAML: line {error.line}: {error}") from None
    rule = _rule(value)
    try:
        if rule is not None:
            return _of_rule(rule)
        if isinstance(value, Mapping):
            parsed = parse(dict(value))
            if parsed.is_alert and parsed.alerts:
                return lead(parsed.alerts)
        return alert_of(value, "alertmanager")
    except BadAlert as problem:
        raise NotAStart(f"{source} holds neither an alert nor a rule: {problem}") from None


def _rule(value: Any) -> Mapping[str, Any] | None:
    """The first alerting rule of a rule, a group, a rules file or a PrometheusRule."""
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("alert"), str) and "expr" in value:
        return value
    inner = value.get("spec") if isinstance(value.get("spec"), Mapping) else value
    listed = [*(inner.get("groups") or ()), *(inner.get("rules") or ())] if isinstance(inner, Mapping) else []
    return next((found for each in listed if (found := _rule(each)) is not None), None)


def _of_rule(rule: Mapping[str, Any]) -> Alert:
    notes = rule.get("annotations") if isinstance(rule.get("annotations"), Mapping) else {}
    labels = rule.get("labels") if isinstance(rule.get("labels"), Mapping) else {}
    return alert_of(
        {
            "name": str(rule["alert"]),
            "expr": str(rule["expr"]),
            "labels": dict(labels or {}),
            "annotations": dict(notes or {}),
            "summary": str((notes or {}).get("summary") or ""),
            "description": str((notes or {}).get("description") or (notes or {}).get("message") or ""),
        },
        "alertmanager",
    )


def playbook_id(name: str) -> str:
    """``KubePodCrashLooping`` becomes ``kube-pod-crash-looping``. Raises `NotAStart` for a name without letters."""
    made = _NOT_ID.sub("-", _CAMEL.sub("-", name).lower()).strip("-")[:60].strip("-")
    made = made if made[:1].isalpha() else f"alert-{made}".strip("-")
    if made in ("true", "false", "null"):  # words of YAML
        made = f"alert-{made}"
    if len(made) < 2 or made == "alert":
        raise NotAStart(f"{name!r} gives no name for a playbook; use letters")
    return made


def starter(alert: Alert) -> str:
    """The whole file. What the alert says stands in it as quoted data only."""
    if not _plain(alert.name):
        raise NotAStart("the alert has no name; give one: rca playbooks new NAME")
    words = _CAMEL.sub(" ", alert.name).replace("_", " ").replace("-", " ")
    services = bool(alert.service) and not (alert.namespace or alert.pod or alert.workload)
    metrics = sorted(set(_METRIC.findall(alert.expr)))[:3]
    match = f"  - name: [{_pattern(alert.name)}]\n"
    if metrics:
        listed = ", ".join(_q(f"/\\b{m}\\b/") for m in metrics)
        match += f"  # - expr: [{listed}]               # the metrics of its query, for teams that name it otherwise\n"
    labels = {"namespace": "shop"} if not services else {"service": alert.service}
    sample = {
        "source": "alertmanager",
        "name": _plain(alert.name),
        "severity": alert.severity or "warning",
        "summary": _plain(alert.summary or words)[:200],
        "labels": {
            **{k: _plain(v) for k, v in labels.items()},
            **{_plain(k): _plain(v) for k, v in sorted(alert.labels.items()) if k not in ("alertname", "severity")},
        },
    }
    return Template(_SERVICE if services else _CLUSTER).substitute(
        head=Template(_HEAD).substitute(
            id=playbook_id(alert.name),
            title=_q(words[:80]),
            runbook=_q(
                alert.annotations.get("runbook_url") or f"https://wiki.example.com/runbooks/{playbook_id(alert.name)}"
            ),
            match=match,
        ),
        sample=json.dumps(sample, ensure_ascii=False),
    )


def _plain(text: str) -> str:
    """One line of what can be seen; YAML takes no control characters."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def _q(text: str) -> str:
    return json.dumps(_plain(text), ensure_ascii=False)


def _pattern(name: str) -> str:
    """A pattern that stands for this name alone, whatever signs it holds."""
    plain = _plain(name)
    special = plain.startswith("!") or "*" in plain or (plain.startswith("/") and plain.endswith("/"))
    return _q(f"/{re.escape(plain)}/" if special else plain)


_HEAD: Final = """\
# A playbook: how to recognise an alert, what to look at, what it means. It only reads. All fields: `rca playbooks schema`.
version: 1
id: $id
title: $title
family: other                       # e.g. k8s.workload, service.errors, host.disk: what statistics are kept by
description: >-
  Say here what the alert means, the question that this playbook answers, what to look at first, and which shapes are harmless.
owner: your-team
runbook: $runbook
priority: 120                       # above the shipped playbooks (100); the general one has 0

match:                              # clauses are OR, fields of a clause are AND, a list is any-of
$match  # - text: '/(?i)words of its summary/'
# exclude:
#   - labels: {namespace: "/(dev|sandbox)-.*/"}
"""

_CLUSTER: Final = """\
$head
steps:                              # everything at once, except where one refers to another
  - id: unhealthy
    title: What is unhealthy there
    capability: k8s.unhealthy       # whichever server offers it; `tool: server.tool` names one
    args: {namespace: "{{ alert.namespace }}"}
    key: true                       # without this check nothing is confirmed
  - id: logs
    title: What the pods in trouble say
    capability: k8s.logs
    for_each: "steps.unhealthy.signals | selectattr('subject', 'startswith', 'Pod/') | map(attribute='subject') | unique_names"
    max_items: 3
    args: {namespace: "{{ item | namespace }}", pod_name: "{{ item | tail }}"}
  - id: changes
    title: What changed
    tool: kubernetes.get_recent_changes
    args: {namespace: "{{ alert.namespace }}", onset: "{{ alert.starts_at }}"}
    optional_args: [onset]

findings:                           # rules; three-valued: true, false, or unknown because a step failed
  - id: out_of_memory
    on: k8s.pod.oom_killed          # a signal: the server's own judgement
    severity: critical
    confidence: 0.9
    decisive: true                  # only what any engineer would sign from this alone
    cause: kubernetes.container.oom_killed
    title: "`{{ signal.name }}` is killed at its memory limit"
    remediation:
      - {do: "Raise the memory limit of {{ signal.name }} above what it needs, then look for a leak", risk: low}
  - id: changed_before
    on: change.before_onset
    severity: low
    confidence: 0.4
    title: "{{ signal.detail }}"    # without a cause it only informs
  # - id: many_events               # an expression, for servers that give no signals
  #   when: steps.logs.items | length > 2
  #   title: Several pods are in trouble

ruled_out:
  rollouts before it: steps.changes.signals | has_signal('change.none_found')
next_steps:
  - "Look at what {{ alert.name }} measures"

tests:                              # run by `rca playbooks test`: no server, no model
  - name: a container runs out of memory
    alert: &alert $sample
    tools: &tools
      k8s.unhealthy:
        summary: 1 pod is unhealthy
        signals:
          - {code: k8s.pod.oom_killed, severity: critical, subject: Pod/shop/web-1, owner: Deployment/shop/web, detail: killed at 256Mi}
      k8s.logs: {summary: 12 lines, patterns: []}
      kubernetes.get_recent_changes:
        summary: nothing changed
        signals: [{code: change.none_found, severity: info, subject: Namespace/shop}]
    expect: {match: true, findings: [out_of_memory], verdict: confirmed, object: Deployment/shop/web}
  - name: nothing is wrong now, and something was changed
    alert: *alert
    tools:
      <<: *tools
      k8s.unhealthy: {summary: nothing is unhealthy}
      kubernetes.get_recent_changes:
        summary: 1 change
        signals: [{code: change.before_onset, severity: warning, subject: Deployment/shop/web, detail: image 1.4 -> 1.5}]
    expect: {match: true, findings: [changed_before], verdict: inconclusive}
  - name: the cluster does not answer, so nothing is known
    alert: *alert
    tools: {<<: *tools, k8s.unhealthy: {$$error: "UNAVAILABLE: the API server does not answer"}}
    expect: {match: true, findings: [], unknown: [out_of_memory], verdict: inconclusive}
"""

_SERVICE: Final = """\
$head
steps:                              # everything at once, except where one refers to another
  - id: rates
    title: Rate, errors and duration
    capability: service.red         # whichever server offers it; `tool: server.tool` names one
    args: {service: "{{ alert.service }}", time_range: "{{ alert.starts_at | around('15m', '30m') }}"}
    optional_args: [time_range]
    key: true                       # without this check nothing is confirmed
  - id: logs
    title: What it logs
    capability: logs.patterns
    args: {service: "{{ alert.service }}", time_range: "{{ alert.starts_at | around('15m', '30m') }}"}
    optional_args: [time_range]

findings:                           # rules; three-valued: true, false, or unknown because a step failed
  - id: own_errors
    on: svc.error_rate_up           # a signal: the server's own judgement
    reason: own
    severity: high
    confidence: 0.6
    title: "{{ signal.detail }}"    # without a `cause` it only informs
  - id: fails_often                 # an expression, for servers that give no signals
    when: (steps.rates.services | first).error_ratio > 0.05
    severity: medium
    confidence: 0.5
    title: "{{ (steps.rates.services | first).service }} answers more than 5 % of its requests with errors"

next_steps:
  - "Look at the calls of {{ alert.service }} that fail: traces show where"

tests:                              # run by `rca playbooks test`: no server, no model
  - name: its own errors rose
    alert: &alert $sample
    tools: &tools
      service.red:
        summary: 1 service
        services: [{service: web, calls_per_s: 12, error_ratio: 0.12, p99_ms: 180}]
        signals: [{code: svc.error_rate_up, severity: critical, subject: service/web, reason: own, detail: 12 % of requests fail}]
      logs.patterns: {summary: 90 lines, patterns: []}
    expect: {match: true, findings: [own_errors, fails_often], verdict: inconclusive}
  - name: nothing is wrong now
    alert: *alert
    tools: {<<: *tools, service.red: {summary: 1 service, services: [{service: web, calls_per_s: 12, error_ratio: 0, p99_ms: 20}]}}
    expect: {match: true, findings: [], verdict: inconclusive}
  - name: the store does not answer, so nothing is known
    alert: *alert
    tools: {<<: *tools, service.red: {$$error: "UNAVAILABLE: the store does not answer"}}
    expect: {match: true, findings: [], unknown: [own_errors, fails_often], verdict: inconclusive}
"""
