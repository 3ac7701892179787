"""One pattern syntax for playbooks and tools: exact, ``a*``, ``/re2/``, ``!``."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.patterns import Pattern, PatternError, Patterns


@pytest.mark.parametrize(
    ("pattern", "value", "holds"),
    [
        ("KubePodCrashLooping", "KubePodCrashLooping", True),
        ("KubePodCrashLooping", "kubepodcrashlooping", False),
        ("Kube*", "KubePod", True),
        ("Kube*", "XKubePod", False),
        ("*Crash*Loop*", "PodCrashesInLoop", True),
        ("a.c", "abc", False),
        ("a*", "a\nb", True),
        ("/a|b/", "b", True),
        ("/a|b/", "ab", False),
        ("/(?i)kube.*/", "KUBEPOD", True),
        ("!a", "b", True),
        ("!a", "a", False),
        ("!/x+/", "xx", False),
        ("?", "?", True),
        ("/", "/", True),
    ],
)
def test_a_pattern_is_compared_with_the_whole_value(pattern: str, value: str, holds: bool) -> None:
    assert Pattern.compile(pattern).matches(value) is holds


def test_in_prose_a_pattern_needs_only_to_occur() -> None:
    text = "Pod checkout-1\nis in CrashLoopBackOff again"
    assert Pattern.compile("/CrashLoop(BackOff)?/", search=True).matches(text)
    assert Pattern.compile("checkout", search=True).matches(text)
    assert Pattern.compile("check*again", search=True).matches(text)
    assert not Pattern.compile("payments", search=True).matches(text)


@pytest.mark.parametrize(
    "bad", ["", "!", "!!a", "//", "/(/", "/(?=a)/", r"/(a)\1/", "/(((a{99}){99}){99})/", "x" * 2000]
)
def test_a_bad_pattern_says_which_and_why(bad: str) -> None:
    with pytest.raises(PatternError) as raised:
        Pattern.compile(bad)
    assert repr(bad[:40])[:-1] in str(raised.value)


def test_a_pattern_that_is_no_text_is_refused() -> None:
    with pytest.raises(PatternError, match="quotes"):
        Pattern.compile(5)  # type: ignore[arg-type]


def test_kinds_are_told_apart_for_scores_and_for_the_rule_on_writes() -> None:
    assert [Pattern.compile(t).kind for t in ("a", "!a", "a*", "/a/")] == ["exact", "exact", "glob", "regex"]


def test_in_a_list_any_wanted_one_is_enough_and_an_unwanted_one_wins() -> None:
    patterns = Patterns.compile(["k8s.*", "box.echo", "!k8s.delete*"])
    assert patterns.matches("k8s.get_pods")
    assert patterns.matches("box.echo")
    assert not patterns.matches("k8s.delete_pod")
    assert not patterns.matches("box.other")


def test_negated_ones_alone_match_everything_else() -> None:
    patterns = Patterns.compile(["!critical", "!page*"])
    assert patterns.matches("warning")
    assert not patterns.matches("pager")


def test_an_empty_list_says_nothing_and_matches_nothing() -> None:
    assert not Patterns.compile([])
    assert not Patterns.compile([]).matches("x")


def test_a_hostile_text_costs_linear_time() -> None:
    pattern = Pattern.compile("/(a+)+b/", search=True)
    began = time.perf_counter()
    assert not pattern.matches("a" * 50_000)
    assert time.perf_counter() - began < 2.0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=500))
def test_any_text_either_compiles_or_is_refused(source: str, value: str) -> None:
    try:
        pattern = Pattern.compile(source)
    except PatternError:
        return
    assert pattern.matches(value) in (True, False)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_characters="!*/"), min_size=1, max_size=80))
def test_plain_text_matches_itself_and_only_itself(text: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in text):
        return
    assert Pattern.compile(text).matches(text)
    assert not Pattern.compile(text).matches(text + "x")
    assert Pattern.compile(f"{text}*").matches(text + "tail")
