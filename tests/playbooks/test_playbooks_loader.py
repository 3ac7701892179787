"""Loading: every problem of a file at once, each with its line; never a library that is silently half there."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.playbooks.loader import Library, load_library, shipped_folder
from bot.playbooks.model import SEEN, Playbook
from bot.playbooks.yamlfile import YamlError, read

GOOD = """\
version: 1
id: good
title: A good one
description: x
default: true
steps:
  - id: target
    title: What it is
    tool: kubernetes.resolve_target
    args: {query: "{{ alert.hints }}"}
findings:
  - id: crash
    on: k8s.pod.crash_loop
    title: "`{{ signal.name }}` crashes"
"""


def load(folder: Path, **files: str) -> Library:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return load_library([folder], shipped=False)


def said(library: Library) -> list[str]:
    return [str(p).replace(f"{Path(p.file).parent}/", "") for p in library.problems]


def test_a_good_file_loads(tmp_path: Path) -> None:
    library = load(tmp_path, good=GOOD)
    assert said(library) == []
    assert library.playbooks["good"].steps[0].timeout == 15.0
    assert library.default is library.get("good")


def test_all_problems_of_a_file_come_at_once_with_their_lines(tmp_path: Path) -> None:
    library = load(
        tmp_path,
        bad="""\
version: 1
id: Bad Id
title: x
sevrity: high
description: x
steps:
  - id: a
    title: x
    tool: kubernetes.get_pod
    timeout: 10 minutes
    agrs: {}
findings:
  - id: f
    when: steps.a.n > 1
    severity: awful
    title: x
""",
    )
    assert library.playbooks == {}
    assert said(library) == [
        "bad.yaml:2: id: 'Bad Id' does not match ^[a-z][a-z0-9-]{1,60}$",
        "bad.yaml:10: steps[0].timeout: '10 minutes' is no duration; write 500ms, 10s or 2m",
        "bad.yaml:11: steps[0].agrs: unknown key; did you mean 'args'?",
        "bad.yaml:15: findings[0].severity: Input should be 'critical', 'high', 'medium', 'low' or 'info' (got 'awful')",
        f"bad.yaml:4: sevrity: unknown key; known here: {', '.join(Playbook.model_fields)}",
    ]


def test_expressions_patterns_and_names_are_checked_at_load(tmp_path: Path) -> None:
    library = load(
        tmp_path,
        bad="""\
version: 1
id: bad
title: x
description: x
match:
  - {}
  - name: '/(/'
  - where: alert.nam.upper() == 'X'
vars: {ns: "{{ steps.a.ns }}"}
steps:
  - id: a
    title: x
    tool: kubernetes.get_pod
    args: {namespace: "{{ vars.ns }}", pod: "{{ steps.b.pod }}"}
    optional_args: [namespac]
    extract: {ok: x, name: "items["}
  - id: a
    title: x
    tool: kubernetes.get_pod
    when: "{{ steps.a.ok }}"
findings:
  - id: nothing
    title: x
  - id: text
    on: k8s.pod.crash_loop
    steps: [aa]
    title: "{{ signal.name }} {{ item }}"
  - id: signal_without_on
    when: signal.count > 3
    title: x
ruled_out:
  memory: steps.zz.ok
""",
    )
    found = said(library)
    for line, words in [
        (6, "an empty clause would match every alert"),
        (7, "not a regular expression"),
        (8, "calls are not allowed"),
        (9, "unknown name 'steps'"),
        (15, "'namespac' is not among args; did you mean 'namespace'?"),
        (16, "'ok' is a name that every step has"),
        (16, "is not JMESPath"),
        (17, "stands twice"),
        (20, "leave the braces away"),
        (22, "needs `on` (signals) or `when`"),
        (26, "there is no step 'aa'"),
        (27, "unknown name 'item'"),
        (29, "unknown name 'signal'"),
        (32, "there is no step 'zz'; known: a, a"),
    ]:
        assert any(f.startswith(f"bad.yaml:{line}: ") and words in f for f in found), (line, words, found)
    assert library.playbooks == {}


def test_a_circle_is_named(tmp_path: Path) -> None:
    text = GOOD + "".join(
        f'  - {{id: {a}, title: x, tool: k.x, args: {{v: "{{{{ steps.{b}.v }}}}"}}}}\n'
        for a, b in (("p", "q"), ("q", "r"), ("r", "p"))
    )
    text = text.replace(
        'findings:\n  - id: crash\n    on: k8s.pod.crash_loop\n    title: "`{{ signal.name }}` crashes"\n', ""
    )
    (problem,) = load(tmp_path, bad=text).problems
    assert "wait for each other: p -> q -> r -> p" in problem.message
    assert problem.field.startswith("steps[1]")


def test_one_bad_file_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    library = load(tmp_path, good=GOOD, bad="version: 1\nid: bad\n")
    assert list(library.playbooks) == ["good"]
    assert len(library.problems) == 2  # title and description are missing


WALK = """version: 1
id: walk
vars: {place: "{{ alert.namespace }}", deep: "yes"}
steps:
  - {id: look, title: Look, tool: k.look, args: {at: "{{ vars.place }}"}}
  - {id: dig, title: Dig, tool: k.dig, args: {at: "{{ steps.look.where }}"}}
findings:
  - {id: hole, when: "steps.dig.depth > 3", title: A hole}
ruled_out: {water: "not (steps.dig.wet | default(false))"}
"""


def test_a_fragment_gives_steps_and_the_playbook_replaces_one_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "walk.yaml").write_text(WALK)
    mine = """version: 1
id: mine
title: Mine
description: d
default: true
use: [walk]
vars: {place: elsewhere}
steps:
  - {id: after, title: After, tool: k.after, args: {depth: "{{ steps.dig.depth }}"}}
  - {id: look, title: Look harder, tool: k.stare, args: {at: "{{ vars.place }}"}}
findings:
  - {id: dry, when: "steps.after.dry == true", title: Dry}
"""
    playbook = load(tmp_path, mine=mine).playbooks["mine"]
    assert [(s.id, s.tool) for s in playbook.steps] == [("look", "k.stare"), ("dig", "k.dig"), ("after", "k.after")]
    assert playbook.vars == {"place": "elsewhere", "deep": "yes"}
    assert [f.id for f in playbook.findings] == ["dry", "hole"]
    assert "water" in playbook.ruled_out


def test_a_fragment_may_not_speak_of_steps_that_it_has_not(tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "walk.yaml").write_text(WALK.replace("steps.dig.depth", "steps.dug.depth"))
    (problem, *_) = load(tmp_path, good=GOOD).problems
    assert "there is no step 'dug'" in problem.message
    assert problem.file.endswith("walk.yaml")


def test_a_file_that_breaks_keeps_its_last_good_version(tmp_path: Path) -> None:
    library = load(tmp_path, good=GOOD)
    (tmp_path / "good.yaml").write_text(GOOD.replace("title: A good one", "titel: A good one"))
    again = library.reload()
    assert again.playbooks["good"].title == "A good one"
    assert any("did you mean 'title'" in p for p in said(again))
    assert any("last good version of 'good' stays in use" in p for p in said(again))
    (tmp_path / "good.yaml").write_text(GOOD.replace("A good one", "Mended"))
    mended = again.reload()
    assert (mended.playbooks["good"].title, said(mended)) == ("Mended", [])
    (tmp_path / "good.yaml").unlink()
    assert mended.reload().playbooks == {}


def test_a_later_folder_wins_and_the_same_folder_must_not_repeat(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir(), theirs.mkdir()
    (ours / "a.yaml").write_text(GOOD)
    (theirs / "b.yaml").write_text(GOOD.replace("A good one", "Their own"))
    library = load_library([ours, theirs], shipped=False)
    assert library.playbooks["good"].title == "Their own"
    (theirs / "c.yaml").write_text(GOOD)
    twice = load_library([ours, theirs], shipped=False)
    assert any("already the id of" in p for p in said(twice))


def test_shared_findings_are_taken_in_and_may_be_replaced(tmp_path: Path) -> None:
    shared = tmp_path / "_shared"
    shared.mkdir()
    (shared / "common.yaml").write_text(
        """\
version: 1
id: common
findings:
  - {id: crash, on: k8s.pod.crash_loop, title: from the shared file}
  - {id: memory, on: k8s.pod.oom_killed, title: "`{{ signal.name }}` has no memory"}
next_steps: [Look at the log]
"""
    )
    library = load(
        tmp_path, good=GOOD + "use: [common]\n", wrong=GOOD.replace("id: good", "id: wrong") + "use: [comon]\n"
    )
    titles = {f.id: f.title for f in library.playbooks["good"].findings}
    assert titles == {"crash": "`{{ signal.name }}` crashes", "memory": "`{{ signal.name }}` has no memory"}
    assert library.playbooks["good"].next_steps == ("Look at the log",)
    assert any("has the id 'comon'; did you mean 'common'?" in p for p in said(library))
    assert "wrong" not in library.playbooks


def test_a_finding_of_a_shared_file_that_does_not_apply_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    rules = "findings:\n  - {id: seen, on: k8s.pod.crash_loop, title: x}\n  - {id: full, on: log.disk_full, title: x}\n"
    (tmp_path / "_shared" / "common.yaml").write_text(f"version: 1\nid: common\n{rules}")
    library = load(
        tmp_path,
        good=GOOD + "use: [common]\nwithout: [full]\n",
        wrong=GOOD.replace("id: good", "id: wrong") + "use: [common]\nwithout: [ful]\n",
    )
    ids = [rule.id for rule in library.playbooks["good"].findings]
    assert "seen" in ids
    assert "full" not in ids
    (problem,) = said(library)
    assert "without[0]: no file under `use` gives a finding 'ful'; did you mean 'full'?" in problem


def test_a_shared_file_is_tested_by_itself(tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    text = "version: 1\nid: common\nfindings: [{id: seen, on: log.disk_full, title: x}]\ntests: [{name: t, alert: {name: X}}]\n"
    (tmp_path / "_shared" / "common.yaml").write_text(text)
    library = load(tmp_path, good=GOOD + "use: [common]\n")
    *_, alone = library.tested()
    assert (alone.id, [s.tool for s in alone.steps], [r.id for r in alone.findings]) == ("common", [SEEN], ["seen"])
    assert alone.tests[0].name == "t"


def test_a_shared_file_may_not_speak_of_steps(tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "common.yaml").write_text(
        "version: 1\nid: common\nfindings: [{id: a, when: steps.a.ok, title: x}]\n"
    )
    assert any("unknown name 'steps'" in p for p in said(load(tmp_path)))


def test_a_folder_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    library = load_library([tmp_path / "nowhere"], shipped=False)
    assert "does not exist" in said(library)[0]


def test_keys_are_text_and_only_true_and_false_are_booleans() -> None:
    document = read(b"on: yes\nat: 2026-01-01\nn: 010\nt: 10:30\nb: true\nf: 1.5\ni: -3\nz: ~\nq: '5'\n")
    assert document.value == {
        "on": "yes",
        "at": "2026-01-01",
        "n": "010",
        "t": "10:30",
        "b": True,
        "f": 1.5,
        "i": -3,
        "z": None,
        "q": "5",
    }


def test_anchors_merge_and_keep_lines() -> None:
    document = read(b"a: &a {x: 1}\nb:\n  <<: *a\n  y: [1,\n    2]\n")
    assert document.value["b"] == {"x": 1, "y": [1, 2]}
    assert document.line(("b", "y", 1)) == 5
    assert document.line(("b", "x", "deeper")) == 2


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (b"a: 1\na: 2\n", 2, "stands twice"),
        (b"a: [1\n", 2, "not YAML"),
        (b"", 1, "empty"),
        (b"a: !!python/object/apply:os.system [id]\n", 1, "tag"),
        (b"a: !secret x\n", 1, "tag"),
        (b"a: *b\n", 1, "not YAML|stands before"),
        (b"a: &a [*a]\n", 1, "inside of what it names"),
        (b"a: 1\n---\nb: 2\n", 2, "second document"),
        (b"? [a]\n: 1\n", 1, "key must be plain"),
        (b"\xff\xfe", 1, "UTF-8"),
        (b"[" * 5000, 1, "nested more than"),
        (b"x" * 300_000, 1, "at most"),
        (b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", 5, "aliases are written out"),
        (b"a: &a 1\nb: [" + b"*a, " * 600 + b"]\n", 2, "aliases"),
    ],
)  # fmt: skip
def test_yaml_that_must_not_load(text: bytes, line: int, why: str) -> None:
    with pytest.raises(YamlError, match=why) as caught:
        read(text)
    assert caught.value.line == line


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!<>|'\" \n#?,%@~01", max_size=120).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(YamlError):
        read(text)


def test_the_shipped_library_is_found() -> None:
    assert (shipped_folder() / "general.yaml").is_file()
