"""The documents say what is true: examples run, links lead somewhere, nothing names the workshop."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot.settings import load

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
    missing = [t for t in targets if not (document.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_files_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"`((?:(?:bot|mcp_servers|sandbox|tests|deploy)/)?[a-z_/]+\.py)`", document.read_text())
    files = [
        str(f.relative_to(ROOT))
        for room in ("bot", "mcp_servers", "sandbox", "tests", "bench")
        for f in (ROOT / room).rglob("*.py")
    ]
    assert not [name for name in named if not any(f == name or f.endswith(f"/{name}") for f in files)]


def test_the_configuration_in_the_docs_is_valid(tmp_path: Path) -> None:
    """Every YAML block that is a configuration loads as one."""
    blocks = [b for d in DOCUMENTS for b in re.findall(r"```yaml\n(.*?)```", d.read_text(), re.DOTALL)]
    mappings = [b for b in blocks if isinstance(yaml.safe_load(b), dict)]  # others show a part of a playbook
    configurations = [b for b in mappings if set(yaml.safe_load(b)) & {"slack", "servers", "limits", "store_url"}]
    assert configurations
    (tmp_path / "playbooks").mkdir()
    for block in configurations:
        file = tmp_path / "rca.yaml"
        file.write_text(block)
        load(file, {})


def test_the_cluster_files_are_read_only_and_name_no_secret() -> None:
    documents = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/clusterrole.yaml").read_text()))
    rules = [r for d in documents if d["kind"] == "ClusterRole" for r in d["rules"]]
    assert rules
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list"}
    assert not [r for r in rules if "secrets" in r["resources"] or any("exec" in x for x in r["resources"])]


def test_the_manifest_asks_for_the_scopes_that_the_doctor_checks() -> None:
    from bot.slack.checkup import NEEDED

    manifest = yaml.safe_load((ROOT / "deploy/slack/manifest.yaml").read_text())
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == set(NEEDED)
    assert manifest["settings"]["socket_mode_enabled"]


def test_help_names_every_command() -> None:
    shown = subprocess.run(
        [Path(sys.executable).with_name("rca"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("demo", "run", "investigate", "parse", "route", "doctor", "playbooks", "sandbox"):
        assert f" {command} " in shown


def test_the_playbook_in_the_docs_lints_and_passes_its_own_tests(tmp_path: Path) -> None:
    text = (ROOT / "docs/playbooks.md").read_text()
    example = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "id: queue-consumer-stalled" in b)
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "queue.yaml").write_text(example)
    rca = Path(sys.executable).with_name("rca")
    for command in ("lint", "test"):
        ran = subprocess.run(
            [rca, "playbooks", command, folder], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "queue-consumer-stalled" in ran.stdout or "0 errors, 0 warnings" in ran.stdout
