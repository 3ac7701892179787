"""``rca playbooks new`` and ``show``, and the linter's view of capabilities."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.commands import playbooks_new as new
from bot.commands.playbooks_page import page, waves
from bot.investigation.causes import vocabulary
from bot.investigation.rehearsal import rehearse
from bot.playbooks.clauses import Facts, fit
from bot.playbooks.lint import lint
from bot.playbooks.loader import Library, load_library
from bot.playbooks.model import Playbook
from bot.playbooks.plan import Plan
from bot.playbooks.rows import alert_of
from bot.playbooks.tests_inline import run_tests
from bot.playbooks.yamlfile import read
from bot.tools.capabilities_door import questions
from bot.tools.inventory import ToolInfo

GENERAL = """\
version: 1
id: general
title: General
description: for tests
default: true
owner: x
runbook: https://example.com
steps: [{id: related, title: Beside it, tool: alert.related}]
"""
OWN = {
    "kubernetes.find_unhealthy": ("k8s.pod.oom_killed", "deploy.unavailable"),
    "kubernetes.get_pod_logs": ("log.oom_text",),
    "kubernetes.get_recent_changes": ("change.before_onset", "change.none_found"),
    "signoz.get_service_overview": ("svc.error_rate_up",),
    "signoz.query_logs": ("log.error_spike",),
}
RULE = """\
groups:
  - name: payments
    rules:
      - record: job:errors
        expr: sum(errors)
      - alert: Payments5xxHigh
        expr: sum(rate(http_requests_total{code=~"5.."}[5m])) by (service) > 1
        labels: {severity: critical, service: payments}
        annotations: {summary: "{{ $labels.service }} fails: \\"why\\"", runbook_url: "https://wiki.example.com/p5xx"}
"""


def inventory() -> dict[str, ToolInfo]:
    """Our tools with arguments of any name, and every capability."""
    names = ("namespace", "pod_name", "onset", "service", "time_range", "target")
    tools = {
        name: ToolInfo(
            name,
            name.partition(".")[0],
            name.partition(".")[2],
            schema={"properties": {n: {} for n in names}},
            signals=signals,
        )
        for name, signals in OWN.items()
    }
    return {**tools, **questions(tools)}


async def checked(folder: Path, text: str) -> Library:
    """The starter in a library: lints clean, and its own tests pass."""
    (folder / "general.yaml").write_text(GENERAL)
    (folder / "made.yaml").write_text(text)
    library = load_library([folder], shipped=False)
    tools = inventory()
    problems = [p for p in lint(library, tools, causes=frozenset(vocabulary())) if p.file.endswith("made.yaml")]
    assert [str(p) for p in problems] == []
    run = rehearse(lambda tool: frozenset(tools[tool].signals) if tool in tools else None)
    made = [p for p in library.playbooks.values() if not p.default]
    results = await run_tests(made, run)
    assert len(results) == 3
    assert [str(r) for r in results if not r.passed] == []
    return library


@pytest.mark.parametrize(
    ("source", "name", "wanted"),
    [
        ("QueueBacklogHigh", "", "queue-backlog-high"),
        (RULE, "rule.yaml", "payments5xx-high"),
        (json.dumps({"name": "CheckoutErrors", "labels": {"service": "checkout"}, "summary": "it fails"}), "a.json", "checkout-errors"),
        (
            json.dumps({"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "PodSad", "namespace": "shop", "pod": "web-1"}}]}),
            "webhook.json",
            "pod-sad",
        ),
    ],
)  # fmt: skip
async def test_a_starter_is_valid_and_its_tests_pass(tmp_path: Path, source: str, name: str, wanted: str) -> None:
    if name:
        (tmp_path / name).write_text(source)
        source = str(tmp_path / name)
    alert = new.alert_from(source)
    text = new.starter(alert)
    assert text.count("#") > 10  # it says what to do next
    books = tmp_path / "books"
    books.mkdir()
    library = await checked(books, text)
    assert wanted in library.playbooks


def test_it_writes_where_it_is_told_and_replaces_nothing_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new.run("DiskSad", tmp_path / "books", force=False) == 0
    file = tmp_path / "books" / "disk-sad.yaml"
    file.write_text("mine")
    assert new.run("DiskSad", tmp_path / "books", force=False) == 2
    assert "is there already; --force replaces it" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert new.run("DiskSad", tmp_path / "books", force=True) == 0
    assert new.run("DiskSad", None, force=False) == 0
    assert capsys.readouterr().out.endswith(file.read_text())
    (tmp_path / "odd.json").write_text("[1]")
    for source in ("missing.json", "...", str(tmp_path / "odd.json")):
        assert new.run(source, None, force=False) == 2
    assert capsys.readouterr().err.count("rca playbooks new: ") == 3


@settings(max_examples=40, deadline=None)
@given(
    st.text(min_size=1, max_size=40),
    st.text(max_size=60),
    st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=3),
)
def test_whatever_an_alert_says_stays_data(name: str, summary: str, labels: dict[str, str]) -> None:
    try:
        text = new.starter(alert_of({"name": name, "summary": summary, "labels": labels}))
    except (new.NotAStart, new.BadAlert):
        return
    value = read(text.encode()).value
    assert set(value) <= set(Playbook.model_fields)
    made = Playbook.model_validate(value)
    assert fit(made, Facts(alert_of(made.tests[0].alert))).score >= 25  # its own sample matches, by name
    assert len(made.match) == 1


STEPS: list[dict[str, Any]] = [
    {"id": "a", "title": "First", "tool": "k.a", "key": True},
    {
        "id": "b",
        "title": "Second",
        "capability": "logs.patterns",
        "args": {"x": "{{ steps.a.n }}"},
        "retry": {"attempts": 3},
    },
    {"id": "c", "title": "Third", "tool": "k.c", "for_each": "steps.a.items", "when": "steps.b.ok", "on_error": "stop"},
    {"id": "d", "title": "Fourth", "tool": "k.d"},
]


def test_show_draws_what_runs_together_and_what_waits() -> None:
    book = Playbook.model_validate(
        {
            "version": 1,
            "id": "shown",
            "title": "Shown",
            "description": "for tests",
            "match": [{"name": ["A", "B*"], "labels": {"x": "*"}}],
            "exclude": [{"severity": "info"}],
            "steps": STEPS,
            "findings": [
                {
                    "id": "f",
                    "on": "k8s.pod.oom_killed",
                    "cause": "x.y",
                    "decisive": True,
                    "confidence": 0.9,
                    "title": "t",
                }
            ],
        }
    )
    assert [[s.id for s in wave] for wave in waves(book, Plan.of(book))] == [["a", "d"], ["b"], ["c"]]
    text = "\n".join(line.plain for line in page(book, "books/shown.yaml"))
    assert "name A, B* and label x *" in text
    assert "not severity info" in text
    assert "┬ a  First · k.a · key" in text
    assert "└ d  Fourth · k.d" in text
    assert "─ b  Second · logs.patterns (any server) · 3 tries  ← a" in text
    assert "─ c  Third · k.c · for each, at most 5, if due, ends the checks when it fails  ← a, (←) b" in text
    assert "0.90 decides x.y  ← k8s.pod.oom_killed" in text


def test_lint_knows_capabilities(tmp_path: Path) -> None:
    (tmp_path / "general.yaml").write_text(
        GENERAL.replace("{id: related, title: Beside it, tool: alert.related}",
                        "{id: a, title: A, capability: log.patterns}, {id: b, title: B, capability: k8s.unhealthy, args: {spacename: shop}}")
    )  # fmt: skip
    found = [str(p) for p in lint(load_library([tmp_path], shipped=False), inventory()) if p.level == "error"]
    assert any("there is no capability 'log.patterns'; did you mean 'logs.patterns'?" in p for p in found)
    assert any("any.k8s.unhealthy takes no argument 'spacename'" in p for p in found)
