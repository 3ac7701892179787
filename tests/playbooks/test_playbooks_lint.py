"""What the linter finds in a library, and that the shipped one gives it nothing to find."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.commands.playbooks import inventory_of
from bot.investigation.causes import vocabulary
from bot.investigation.rehearsal import rehearse
from bot.playbooks.lint import failed, json_schema, lint
from bot.playbooks.loader import load_library
from bot.playbooks.model import Expect, Playbook
from bot.playbooks.tests_inline import Outcome, differences, fixture_answer, run_tests
from bot.settings import Settings
from bot.tools.inventory import ToolInfo
from mcp_servers.kubernetes.server import create_server


@dataclass
class Tool:
    server: str = "kubernetes"
    schema: dict[str, Any] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    state: str = "allowed"
    reason: str = ""


TOOLS = {
    "kubernetes.get_pod": Tool(
        schema={
            "properties": {
                "namespace": {"type": "string"},
                "pod": {"type": "string"},
                "kind": {"enum": ["a", "b"]},
                "n": {"type": "integer"},
            },
            "required": ["namespace"],
            "additionalProperties": False,
        },
        signals=("k8s.pod.crash_loop",),
    ),
    "kubernetes.denied": Tool(state="denied", reason="not in `allow`"),
}
HEAD = "version: 1\nid: pb\ntitle: x\ndescription: x\nowner: me\nrunbook: https://x\ndefault: true\n"
STEP = "steps:\n  - {id: a, title: x, tool: kubernetes.get_pod, args: {namespace: x}}\n"


def problems(tmp_path: Path, text: str, **files: str) -> list[str]:
    for name, content in {"pb": text, **files}.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    found = lint(load_library([tmp_path], shipped=False), TOOLS, causes=vocabulary())
    return [f"{p.level} {str(p).rsplit('/', 1)[-1]}" for p in found if p.field != "tests"]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("steps:\n  - {id: a, title: x, tool: kubernetes.get_pods, args: {namespace: x}}\n",
         "error pb.yaml:9: steps[0].tool: server 'kubernetes' has no tool 'get_pods'; did you mean 'kubernetes.get_pod'?"),
        ("steps:\n  - {id: a, title: x, tool: signoz.logs}\n",
         "warning pb.yaml:9: steps[0].tool: server 'signoz' is not connected (connected: kubernetes); not checked"),
        ("steps:\n  - {id: a, title: x, tool: kubernetes.denied}\n", "error pb.yaml:9: steps[0].tool: the tool is denied: not in `allow`"),
        ("steps:\n  - id: a\n    title: x\n    tool: kubernetes.get_pod\n    args: {namespce: x}\n",
         "error pb.yaml:12: steps[0].args.namespce: kubernetes.get_pod takes no argument 'namespce'; did you mean 'namespace'?"),
        ("steps:\n  - {id: a, title: x, tool: kubernetes.get_pod, args: {pod: x}}\n",
         "error pb.yaml:9: steps[0].args: kubernetes.get_pod needs the argument 'namespace'"),
        ("steps:\n  - {id: a, title: x, tool: kubernetes.get_pod, args: {namespace: x, kind: c}}\n",
         "error pb.yaml:9: steps[0].args.kind: 'c' is not one of a, b"),
        ("steps:\n  - {id: a, title: x, tool: kubernetes.get_pod, args: {namespace: x, n: ten}}\n",
         "error pb.yaml:9: steps[0].args.n: must be integer, got str"),
        (STEP + "findings:\n  - {id: f, on: k8s.pod.crash_lop, title: x}\n",
         "error pb.yaml:11: findings[0].on: no server sends the signal 'k8s.pod.crash_lop'; did you mean 'k8s.pod.crash_loop'?"),
        (STEP + "findings:\n  - {id: f, on: node.not_ready, title: x}\n",
         "error pb.yaml:11: findings[0].on: no step of this playbook can send node.not_ready, so this is never true"),
        (STEP + "findings:\n  - {id: f, on: k8s.pod.crash_loop, reason: app_exits, title: x}\n",
         "error pb.yaml:11: findings[0].reason: k8s.pod.crash_loop has no reason 'app_exits'; known: app_exit, command_invalid, completed, "
         "killed, permission_denied, port_conflict, unknown"),
        (STEP + "findings:\n  - {id: f, on: k8s.pod.crash_loop, cause: kubernetes.container.crsh, title: x}\n",
         "error pb.yaml:11: findings[0].cause: 'kubernetes.container.crsh' is not in the vocabulary of causes; did you mean "
         "'kubernetes.container.crash'?"),
        (STEP + "findings:\n  - {id: f, on: k8s.pod.crash_loop, suppresses: [g], title: x}\n",
         "error pb.yaml:11: findings[0].suppresses: there is no finding 'g'"),
        (STEP + "findings:\n  - {id: f, when: 'false', title: x}\n", "error pb.yaml:11: findings[0].when: is always false; remove "
            "the finding"),
        (STEP + "findings:\n  - {id: f, on: log.app_exception, decisive: true, cause: kubernetes.container.crash, title: x}\n",
         "error pb.yaml:11: findings[0].decisive: rests on log text alone, which whoever can write a log line can write; it must not be "
         "decisive"),
        (STEP + "tests:\n  - {name: t, alert: {name: 7}}\n", "error pb.yaml:11: tests[0].alert: name must be text, got int"),
        (STEP + "tests:\n  - {name: t, alert: {name: X}, expect: {match: false}}\n",
         "error pb.yaml:11: tests[0].alert: this alert must not come here, but it does: no other playbook knows this alert"),
    ],
)  # fmt: skip
def test_what_it_finds(tmp_path: Path, body: str, wanted: str) -> None:
    assert wanted in problems(tmp_path, HEAD + body)


def test_a_clean_playbook_gives_nothing(tmp_path: Path) -> None:
    assert problems(tmp_path, HEAD + STEP) == []


def test_missing_metadata_and_tests_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "pb.yaml").write_text("version: 1\nid: pb\ntitle: x\ndescription: ''\ndefault: true\n" + STEP)
    found = lint(load_library([tmp_path], shipped=False), TOOLS)
    assert {p.message.split(";")[0] for p in found} == {
        "has no `owner`",
        "has no `runbook`",
        "has no `description`",
        "0 inline tests",
    }
    assert not failed(found)


def test_two_playbooks_that_fit_equally_are_named(tmp_path: Path) -> None:
    twin = "version: 1\nid: ID\ntitle: x\ndescription: x\nowner: me\nrunbook: x\nmatch: [{name: X}]\n" + STEP
    test = "tests:\n  - {name: t, alert: {name: X}}\n"
    found = problems(tmp_path, HEAD + STEP, one=twin.replace("ID", "one") + test, two=twin.replace("ID", "two") + test)
    assert any("fits 'two' equally well (score 50)" in f for f in found)
    assert any("error two.yaml" in f and "this alert goes to 'one'" in f for f in found)


def test_there_must_be_one_general_playbook(tmp_path: Path) -> None:
    other = HEAD.replace("id: pb", "id: other") + STEP
    assert any("has `default: true`, too, and wins" in f for f in problems(tmp_path, HEAD + STEP, other=other))
    assert any(
        "no playbook has `default: true`" in f
        for f in problems(tmp_path, HEAD.replace("default: true\n", "") + STEP, other="")
    )


def test_the_schema_is_for_editors() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert "findings" in schema["properties"]


_listed: dict[str, ToolInfo] = {}


async def inventory() -> dict[str, ToolInfo]:
    """The tools of the real Kubernetes server, which lists them while its cluster is away."""
    if _listed:
        return _listed
    listed = await create_server({}).list_tools()
    _listed.update(
        {
            f"kubernetes.{t.name}": ToolInfo(
                name=f"kubernetes.{t.name}",
                server="kubernetes",
                tool=t.name,
                schema=t.input_schema,
                signals=tuple((t.meta or {}).get("rca/signals", ())),
            )
            for t in listed
        }
    )
    return _listed


async def test_the_shipped_library_is_clean_against_the_real_server() -> None:
    found = lint(load_library(), await inventory_of(Settings()), causes=vocabulary())
    assert [str(p) for p in found] == []


async def test_every_signal_of_the_kubernetes_server_means_something_or_is_left_out_on_purpose() -> None:
    """A new signal must get a finding in the shared files of every playbook that walks the whole cluster, or a place in this list."""
    silent = {
        "change.none_found", "change.rollback_seen", "cron.missed", "deploy.paused", "deploy.rollout_in_progress", "ds.misscheduled",
        "hpa.no_metrics", "hpa.scaled_recently", "log.silence", "node.cordoned", "res.no_limits", "svc.externalname", "svc.single_replica", "svc.zone_skew",
    }  # fmt: skip
    sent = {code for tool in (await inventory()).values() for code in tool.signals}
    whole = {f"kubernetes-{part}" for part in ("walk", "containers", "placement", "surroundings")}
    walks = [p for p in load_library().playbooks.values() if whole <= set(p.use)]
    assert len(walks) >= 5
    for playbook in walks:
        assert sent - {code for rule in playbook.findings for code in rule.on} <= silent, playbook.id


@pytest.mark.parametrize("playbook", load_library().tested(), ids=lambda p: p.id)
async def test_the_shipped_playbooks_and_shared_files_pass_their_own_tests(playbook: Playbook) -> None:
    tools = await inventory()
    run = rehearse(lambda name: frozenset(tools[name].signals) if name in tools else None)
    results = await run_tests([playbook], run)
    assert results
    assert [str(r) for r in results if not r.passed] == []


@pytest.mark.parametrize("playbook", load_library().playbooks.values(), ids=lambda p: p.id)
def test_a_shipped_playbook_tells_the_person_whom_it_wakes_what_to_expect(playbook: Playbook) -> None:
    said = playbook.description
    assert re.search(r"\b[Mm]easure[sd]\b", said), "what it measures"
    assert re.search(r"\bAsks: [^.]+\?", said), "the question it answers"
    assert re.search(r"\bFirst check: \S", said)
    assert re.search(r"\bBenign: \S", said), "which shapes of it are harmless"
    assert playbook.owner
    assert playbook.runbook.startswith("https://")
    assert playbook.next_steps, "where to look when nothing was found"
    assert len(playbook.tests) >= 3
    assert any("$error" in str(test.tools) for test in playbook.tests), "one test with a tool that fails"


def test_a_finding_that_no_test_shows_true_is_named(tmp_path: Path) -> None:
    rules = "findings:\n  - {id: shown, on: k8s.pod.crash_loop, title: x}\n  - {id: hidden, on: k8s.pod.crash_loop, title: x}\n"
    test = "tests:\n  - {name: t, alert: {name: X}, expect: {findings: [shown]}}\n"
    assert problems(tmp_path, HEAD + STEP + rules + test) == [
        "warning pb.yaml:12: findings[1]: no test expects hidden to be true; write one"
    ]
    shared = (
        f"version: 1\nid: bits\n{rules}tests:\n  - {{name: s, alert: {{name: X}}, expect: {{findings: [hidden]}}}}\n"
    )
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "bits.yaml").write_text(shared)
    # A shared file's findings are shown true by its own tests or by those of a playbook that uses it.
    assert problems(tmp_path, HEAD + "use: [bits]\n" + STEP + test) == []


def test_differences_read_as_sentences() -> None:
    expect = Expect(findings=("a", "b"), unknown=(), verdict="confirmed", cause="x.y")
    outcome = Outcome(findings=("b", "c"), unknown=("u",), verdict="likely", cause="")
    assert differences(expect, outcome) == (
        "findings: missing a",
        "findings: not expected c",
        "unknown: not expected u",
        "verdict: wanted confirmed, got likely",
        "cause: wanted x.y, got (none)",
    )
    assert differences(Expect(), outcome) == ()


def test_fixtures_answer_by_arguments() -> None:
    tools = {
        "k.t": [{"when": {"pod": "a"}, "answer": {"n": 1}}, {"answer": {"$error": "TIMEOUT: late"}}],
        "k.one": {"n": 2},
    }
    assert fixture_answer(tools, "k.t", {"pod": "a"}).payload == {"n": 1}
    assert fixture_answer(tools, "k.t", {"pod": "b"}).error == "TIMEOUT: late"
    assert fixture_answer(tools, "k.one", {}).payload == {"n": 2}
    assert "no answer for k.none" in fixture_answer(tools, "k.none", {}).error


async def test_a_failing_inline_test_is_told_apart() -> None:
    async def run(*_: Any) -> Outcome:
        return Outcome(findings=("other",))

    playbook = Playbook.model_validate(
        {
            "version": 1, "id": "pp", "title": "x", "description": "", "match": [{"name": "X"}],
            "steps": [{"id": "a", "title": "x", "tool": "k.t"}],
            "tests": [
                {"name": "wrong finding", "alert": {"name": "X"}, "expect": {"findings": ["mine"]}},
                {"name": "wrong alert", "alert": {"name": "Y"}},
                {"name": "no alert", "alert": {}},
                {"name": "well", "alert": {"name": "Z"}, "expect": {"match": False}},
            ],
        }
    )  # fmt: skip
    results = await run_tests([playbook], run)
    assert [r.passed for r in results] == [False, False, False, True]
    assert (
        str(results[0]) == "FAIL pp: wrong finding\n       findings: missing mine\n       findings: not expected other"
    )
