"""Folders of YAML to a `Library`: all problems of all files at once, and never a silently half-loaded one.

Later folders win over earlier ones, so that a team's playbook replaces the shipped one of the same id. A file that breaks between two loads
keeps serving its last good version; the problem says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from bot.playbooks.checks import check, check_fragment
from bot.playbooks.model import SEEN, Fragment, Playbook, Step
from bot.playbooks.parsing import at, dotted, parse
from bot.playbooks.problem import Problem, did_you_mean
from bot.playbooks.yamlfile import MAX_BYTES, Document
from bot.playbooks.yamlfile import Path as YamlPath

SHARED = "_shared"
MAX_FILES = 2_000


@dataclass(frozen=True)
class Entry:
    """One playbook and where it came from. ``stale`` marks a last good version of a file that is broken now."""

    playbook: Playbook
    file: Path
    folder: Path
    document: Document
    stale: bool = False


@dataclass(frozen=True)
class Shared:
    """One fragment and where it came from."""

    fragment: Fragment
    file: Path
    document: Document


@dataclass(frozen=True)
class Library:
    """All playbooks that can be used, by id, and everything that is wrong with the folders. Immutable: `reload` gives a new one."""

    playbooks: Mapping[str, Playbook] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    folders: tuple[Path, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict, repr=False)
    shared: Mapping[str, Shared] = field(default_factory=dict, repr=False)

    @property
    def default(self) -> Playbook | None:
        """The general playbook; of several the one that comes last in the folders' order."""
        return next((p for p in reversed(list(self.playbooks.values())) if p.default), None)

    def get(self, playbook_id: str) -> Playbook | None:
        return self.playbooks.get(playbook_id)

    def reload(self) -> "Library":
        """The folders read again. Playbooks whose files are broken now stay as they were, with a problem that says so."""
        return load_library(self.folders, shipped=False, last=self)

    def tested(self) -> tuple[Playbook, ...]:
        """What has tests to run: the playbooks, then the shared files that they use, each `alone`."""
        files = (alone(shared.fragment) for shared in self.shared.values() if shared.fragment.tests)
        return (*self.playbooks.values(), *files)

    def file_of(self, playbook_id: str) -> str:
        """The file of a playbook, for messages; "" when it has none."""
        entry = self.entries.get(playbook_id)
        return str(entry.file) if entry else ""


def shipped_folder() -> Path:
    """The library that comes with the product: beside the sources in a checkout, inside of the package when installed."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "playbooks"
    return checkout if (checkout / "general.yaml").is_file() else package / "_library"


def load_library(folders: Sequence[Path] = (), *, shipped: bool = True, last: Library | None = None) -> Library:
    """Read every ``*.yaml`` and ``*.yml`` under ``folders``, after the shipped library unless ``shipped`` is false.

    Never raises for a bad file: see `Library.problems`. ``last`` gives the versions to keep for files that are broken now.
    """
    chosen = (shipped_folder(), *folders) if shipped else tuple(folders)
    problems: list[Problem] = []
    files = [(folder, file) for folder in chosen for file in _files(folder, problems)]
    fragments = _fragments(files, problems)
    entries: dict[str, Entry] = {}
    for folder, file in files:
        if SHARED in file.relative_to(folder).parts:
            continue
        entry = _entry(folder, file, fragments, problems)
        if entry is None:
            entry = _kept(file, last, problems)
        if entry is None:
            continue
        name = entry.playbook.id
        other = entries.get(name)
        if other is not None and other.folder == folder:
            line = entry.document.line(("id",))
            problems.append(
                Problem(
                    str(file), line, "id", f"{name!r} is already the id of {other.file}; choose another", playbook=name
                )
            )
            continue
        entries.pop(name, None)  # keep the folders' order
        entries[name] = entry
    playbooks = {name: entry.playbook for name, entry in entries.items()}
    shared = {name: s for name, s in fragments.items() if any(name in p.use for p in playbooks.values())}
    return Library(
        MappingProxyType(playbooks), tuple(problems), chosen, MappingProxyType(entries), MappingProxyType(shared)
    )


def _files(folder: Path, problems: list[Problem]) -> Iterable[Path]:
    if not folder.is_dir():
        problems.append(
            Problem(str(folder), 0, "", "this folder of playbooks does not exist; create it or correct `playbook_dirs`")
        )
        return []
    found = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix in (".yaml", ".yml")
        and p.is_file()
        and not any(q.startswith(".") for q in p.relative_to(folder).parts)
    )
    if len(found) > MAX_FILES:
        problems.append(Problem(str(folder), 0, "", f"{len(found)} files; only the first {MAX_FILES} are read"))
    return found[:MAX_FILES]


def _text(file: Path, problems: list[Problem]) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as problem:
        problems.append(Problem(str(file), 0, "", f"cannot be read: {problem.strerror}"))
        return None


def _fragments(files: Iterable[tuple[Path, Path]], problems: list[Problem]) -> dict[str, Shared]:
    fragments: dict[str, Shared] = {}
    for folder, file in files:
        if SHARED not in file.relative_to(folder).parts or (text := _text(file, problems)) is None:
            continue
        fragment, document, found = parse(text, str(file), Fragment)
        if fragment and document:
            found = [at(document, path, why, str(file), "") for path, why in check_fragment(fragment)]
            if not found:
                fragments[fragment.id] = Shared(fragment, file, document)
        problems.extend(found)
    return fragments


def _entry(folder: Path, file: Path, fragments: Mapping[str, Shared], problems: list[Problem]) -> Entry | None:
    text = _text(file, problems)
    if text is None:
        return None
    playbook, document, found = parse(text, str(file), Playbook)
    if playbook and document:
        for i, name in enumerate(playbook.use):
            if name not in fragments:
                close = did_you_mean(name, fragments, f"; usable: {', '.join(sorted(fragments)) or 'none'}")
                message = f"no usable file under {SHARED}/ has the id {name!r}{close}"
                found.append(at(document, ("use", i), message, str(file), playbook.id))
        given = {rule.id for name in playbook.use if name in fragments for rule in fragments[name].fragment.findings}
        for i, name in enumerate(playbook.without):
            if name not in given:
                message = f"no file under `use` gives a finding {name!r}{did_you_mean(name, given)}"
                found.append(at(document, ("without", i), message, str(file), playbook.id))
        if not found:
            found += [at(document, path, why, str(file), playbook.id) for path, why in _troubles(playbook, fragments)]
    problems.extend(found)
    if found or playbook is None or document is None:
        return None
    return Entry(merged(playbook, fragments), file, folder, document)


def _troubles(playbook: Playbook, fragments: Mapping[str, Shared]) -> list[tuple[YamlPath, str]]:
    """What is wrong with the playbook as it will run. A trouble in what a fragment gave is told at ``use``: together they do not fit."""
    whole = merged(playbook, fragments)
    own = {step.id for step in playbook.steps}
    ordered = (*playbook.steps, *(step for step in whole.steps if step.id not in own))
    found: list[tuple[YamlPath, str]] = []
    # What a fragment gave beside its steps was checked with the fragment.
    given_once = {field: getattr(playbook, field) for field in ("vars", "findings", "ruled_out", "next_steps")}
    for path, why in check(whole.model_copy(update={"steps": ordered, **given_once})):
        given = len(path) > 1 and isinstance(path[1], int) and path[0] in ("steps", "findings")
        borrowed = given and int(path[1]) >= len(getattr(playbook, str(path[0])))
        found.append((("use",), f"{dotted(path)}: {why}") if borrowed else (path, why))
    return found


def merged(playbook: Playbook, fragments: Mapping[str, Shared]) -> Playbook:
    """``playbook`` with what its fragments give, ``without`` what it leaves out. Its own findings come first; its own steps replace a
    fragment's in place or come after."""
    used = [fragments[name].fragment for name in playbook.use]
    steps = {step.id: step for fragment in used for step in fragment.steps} | {s.id: s for s in playbook.steps}
    findings = {rule.id: rule for rule in playbook.findings}
    after = list(playbook.next_steps)
    variables: dict[str, str] = {}
    excluded: dict[str, str] = {}
    for fragment in used:
        variables |= fragment.vars
        excluded |= fragment.ruled_out
        for rule in fragment.findings:
            if rule.id not in playbook.without:
                findings.setdefault(rule.id, rule)
        after += [text for text in fragment.next_steps if text not in after]
    doubled = len({step.id for step in playbook.steps}) < len(playbook.steps)
    return playbook.model_copy(
        update={
            "vars": variables | playbook.vars,
            "steps": playbook.steps if doubled else tuple(steps.values()),  # `check` tells of the double
            "findings": tuple(findings.values()),
            "ruled_out": excluded | playbook.ruled_out,
            "next_steps": tuple(after),
        }
    )


def alone(fragment: Fragment) -> Playbook:
    """A shared file by itself, as a playbook for any alert: what its tests run."""
    seen = Step(id="seen", title="What was seen", tool=SEEN)
    given = {name: getattr(fragment, name) for name in ("vars", "findings", "ruled_out", "next_steps", "tests")}
    return Playbook(
        version=1,
        id=fragment.id,
        title=fragment.id,
        description=fragment.description,
        default=True,
        steps=fragment.steps or (seen,),
        **given,
    )


def _kept(file: Path, last: Library | None, problems: list[Problem]) -> Entry | None:
    """The last good version of a file that is broken now."""
    entry = next((e for e in last.entries.values() if e.file == file), None) if last else None
    if entry is None:
        return None
    said = f"the last good version of {entry.playbook.id!r} stays in use until this file is mended"
    problems.append(Problem(str(file), 0, "", said, level="warning", playbook=entry.playbook.id))
    return replace(entry, stale=True)
