"""Expressions: what they can say, and everything that they refuse."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.playbooks.errors import ExpressionError, MissingValue
from bot.playbooks.expressions import MAX_RENDERED, Arguments, Condition, Extraction, Reference, Template

CONTEXT = {
    "alert": {
        "name": "KubePodCrashLooping",
        "labels": {"pod": "api-1", "items": "a label named items"},
        "hints": "namespace=shop",
    },
    "vars": {"ns": "shop"},
    "steps": {
        "pod": {
            "ok": True,
            "status": "ok",
            "n": 3,
            "zero": 0,
            "text": "[1,2]",
            "list": [{"a": 1}, {"a": 2, "b": "x"}],
            "none": None,
        },
        "gone": {"ok": False, "status": "error", "error": "timeout"},
    },
    "findings": [],
}


@pytest.mark.parametrize(
    "source",
    [
        "steps.pod.n > 2",
        "steps.pod.n + 1 == 4 and not steps.gone.ok",
        "steps.pod.list | selectattr('a', 'gt', 1) | list | length == 1",
        "steps.pod.list | map(attribute='a') | sum == 3",
        "alert.labels.items == 'a label named items'",
        "alert.name is search('(?i)crash') and alert.name is match('Kube.*')",
        "(steps.pod.nowhere.deep | default('x')) == 'x'",
        "steps.pod.nowhere is not defined",
        "(steps.pod | jp('list[?a==`2`].b | [0]')) == 'x'",
        "(steps.pod.n | pct(12)) == 25",
        "('2026-11-22T03:00:00Z' | around('10m', '1h', '2026-11-22T03:02:00Z')) == '2026-11-22T02:50:00Z/2026-11-22T03:02:00Z'",
        "('2026-11-22T03:00:00+01:00' | around('10m', '5m')) == '2026-11-22T01:50:00Z/2026-11-22T02:05:00Z'",
        "('' | around('10m', '5m')) == '10m'",
        "('2026-11-22T03:01:00Z' | age('2026-11-22T03:00:00Z')) == -60",
        "'api' in alert.labels.pod",
        "(['a'] | union(['b', 'a'], []) | list) == ['a', 'b']",
        "[{'code': 'k8s.pod.oom_killed'}] | has_signal('k8s.pod.*')",
        "('Deployment/shop/cart' | kind_name) == 'deployment/cart' and ('Deployment/shop/cart' | namespace) == 'shop'",
    ],
)
def test_a_condition_holds(source: str) -> None:
    assert Condition(source).holds(CONTEXT) is True


@pytest.mark.parametrize(
    "source", ["steps.pod.n", "steps.pod.text", "steps.pod.list", "steps.pod.none", "steps.pod.zero"]
)
def test_a_condition_must_be_a_real_boolean(source: str) -> None:
    with pytest.raises(ExpressionError, match=r"not true or false"):
        Condition(source).holds(CONTEXT)


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("steps.pod.nowhere > 3", "steps.pod.nowhere"),
        ("steps.pod.nowhere == 3", "steps.pod.nowhere"),
        ("not steps.pod.nowhere", "steps.pod.nowhere"),
        ("steps.pod.nowhere.deeper.still == 'x'", "steps.pod.nowhere"),
        ("steps.gone.data == 'x'", "steps.gone.data"),
        ("alert.labels.node == 'n1' and steps.pod.ok", "alert.labels.node"),
        ("steps.pod.list | selectattr('b', 'eq', 'x') | list | length > 0", "b"),
    ],
)
def test_a_missing_value_is_never_false_but_named(source: str, field: str) -> None:
    with pytest.raises(MissingValue) as caught:
        Condition(source).holds(CONTEXT)
    assert caught.value.field == field
    assert field in str(caught.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("pod.n > 1", "unknown name 'pod'"),
        ("lipsum(5) == 1", "calls"),
        ("steps.pod.text.format(1) == 'x'", "calls"),
        ("steps.pod.text | format(1) == 'x'", "unknown filter"),
        ("steps.pod.list | random == 1", "unknown filter"),
        ("steps.pod.text | attr('upper') == 'x'", "unknown filter"),
        ("steps.pod.text is callable", "unknown test"),
        ("{{ steps.pod.ok }}", "braces"),
        ("{% if true %}true{% endif %}", "braces"),
        ("steps.pod.ok) }}{{ (true", "braces"),
        ("steps | length > 1", "name of a step"),
        ("steps[vars.ns].ok", "name of a step"),
        ("1 +", "syntax"),
        ("", "empty"),
        ("(" * 400 + "true" + ")" * 400, "deep"),
        ("true and " * 1000 + "true", "characters long"),
    ],
)
def test_a_condition_refuses_at_once(source: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        Condition(source)


@pytest.mark.parametrize(
    "source",
    [
        "'%1000000000d' % 1 == 'x'",
        "'a' * 1000000000 == 'a'",
        "[1] * 1000000000 == [1]",
        "10 ** 1000000000 == 1",
        "(10 ** 16) * (10 ** 16) * (10 ** 16) * (10 ** 16) * (10 ** 16) * (10 ** 16) == 1",
        "('a' | replace('', '" + "b" * 3000 + "') | replace('b', '" + "c" * 500 + "')) == 'x'",
        "steps.pod.text + steps.pod.text == 'x'",
        "steps.pod.n / 0 == 1",
        "steps.pod.text > 3",
        "steps.pod.text is search('(')",
        "steps.pod.text | jp('[') == 1",
        "[1] | map('attr', 'real') | list == [1]",
        "[1] | map('upper_nonsense') | list == [1]",
        "steps.pod.text | int | pct(0) == 1",
    ],
)
def test_what_goes_wrong_at_run_time_is_an_expression_error_and_quick(source: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionError):
        Condition(source).holds(CONTEXT)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    "source",
    [
        "steps.pod.items is defined",  # dict's own method
        "steps.pod.list.append is defined",
        "steps.pod.text.upper is defined",
        "steps.pod.__class__ is defined",
        "steps.pod['__class__'] is defined",
        "''.__class__.__mro__ is defined",
        "steps.pod.n.real is defined",
        "([steps.pod] | map(attribute='__class__', default='no') | first) != 'no'",
    ],
)
def test_no_attribute_of_python_can_be_reached(source: str) -> None:
    assert Condition(source).holds(CONTEXT) is False


@pytest.mark.parametrize("text", ["{{ 7*7 }}", "{% for x in steps %}{% endfor %}", "{{ alert.labels }}", "{# x #}"])
def test_data_is_never_rendered(text: str) -> None:
    context = {**CONTEXT, "vars": {"foreign": text}}
    assert Template("said: {{ vars.foreign }}").render(context) == f"said: {text}"
    assert Template("{{ vars.foreign }}").render(context) == text


def test_one_expression_keeps_its_type() -> None:
    assert Template("{{ steps.pod.n }}").render(CONTEXT) == 3
    assert Template(" {{ steps.pod.list }} ").render(CONTEXT) == [{"a": 1}, {"a": 2, "b": "x"}]
    assert Template("{{ steps.pod.text }}").render(CONTEXT) == "[1,2]"
    assert Template("{{ steps.pod.n > 2 }}").render(CONTEXT) is True
    assert Template("{{ steps.pod.list | map(attribute='a') }}").render(CONTEXT) == [1, 2]


def test_text_reads_well() -> None:
    assert (
        Template("{{ steps.pod.n }} of {{ steps.pod.ok }} {{ steps.pod.list[0] }}").text(CONTEXT) == '3 of true {"a":1}'
    )
    assert Template("plain").text(CONTEXT) == "plain"


@pytest.mark.parametrize("source", ["pod {{ steps.pod.nowhere }}", "{{ steps.pod.nowhere }}", "n {{ steps.pod.none }}"])
def test_a_hole_in_a_text_is_an_error_and_no_empty_word(source: str) -> None:
    with pytest.raises(MissingValue):
        Template(source).text(CONTEXT)


def test_a_text_cannot_grow_without_bound() -> None:
    template = Template(
        "{% for a in steps.pod.big %}{% for b in steps.pod.big %}{{ a }}{% endfor %}{% endfor %}", statements=True
    )
    with pytest.raises(ExpressionError, match="grows beyond"):
        template.render({"steps": {"pod": {"big": ["xxxxxxxxxx"] * 1000}}})
    assert len(Template("{{ vars.big }}").text({"vars": {"big": "x" * 100_000}})) == MAX_RENDERED


def test_statements_stand_in_prompts_only() -> None:
    prompt = "{% for f in findings %}- {{ f.title }}\n{% endfor %}"
    assert Template(prompt, statements=True).render({"findings": [{"title": "a"}]}) == "- a\n"
    with pytest.raises(ExpressionError, match="prompts only"):
        Template(prompt)
    for forbidden in (
        "{% set x = 1 %}",
        "{% include 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% import 'x' as y %}",
        "{% raw_x %}",
    ):
        with pytest.raises(ExpressionError):
            Template(forbidden, statements=True)


def test_references_tell_order_from_need() -> None:
    condition = Condition(
        "steps.a.rows | length > 0 and steps.b.ok and (steps.c.x | default(1)) == 1 and steps.c.y is defined"
    )
    assert condition.references == {Reference("a"), Reference("b", data=False), Reference("c", data=True, soft=True)}
    assert Condition("(steps.c.x | default(1)) == steps.c.x").references == {Reference("c")}
    assert Template("{{ steps['a'].x }} {{ steps.b.status }}").references == {
        Reference("a"),
        Reference("b", data=False),
    }
    assert Arguments({"q": {"deep": ["{{ steps.z.v }}"]}}).references == {Reference("z")}


def test_arguments_render_and_leave_out_what_is_optional() -> None:
    arguments = Arguments(
        {
            "name": "{{ alert.labels.pod }}",
            "deep": {"list": ["{{ steps.pod.n }}", 7]},
            "node": "{{ alert.labels.node }}",
            "e": "{{ '' }}",
        },
        optional=("node", "e"),
    )
    assert arguments.render(CONTEXT) == {"name": "api-1", "deep": {"list": [3, 7]}}


def test_a_missing_argument_names_argument_and_field() -> None:
    with pytest.raises(MissingValue, match=r"argument node: alert\.labels\.node"):
        Arguments({"node": "{{ alert.labels.node }}"}).render(CONTEXT)
    with pytest.raises(MissingValue, match="argument x: the value is null"):
        Arguments({"x": "{{ steps.pod.none }}"}).render(CONTEXT)
    with pytest.raises(ExpressionError, match="not among"):
        Arguments({"a": "1"}, optional=("b",))


def test_extraction_finds_or_gives_none() -> None:
    assert Extraction("items[0].name").apply({"items": [{"name": "x"}]}) == "x"
    assert Extraction("items[0].name").apply({}) is None
    with pytest.raises(ExpressionError):
        Extraction("items[")
    with pytest.raises(ExpressionError):
        Extraction("sum(items)").apply({"items": "text"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FORMS = [
    "steps.x.a > 3",
    "steps.x.a | length > 0",
    "steps.x.a is search('(?i)x+')",
    "steps.x.a | selectattr('b', 'eq', 1) | list | length > 0",
    "(steps.x.a | jp('b[].c | [0]')) == 1",
    "(steps.x.a | age) > 3",
    "(steps.x.a | pct(3)) > 1",
    "steps.x.a | union([1]) | length > 1",
    "steps.x.a | has_signal('k8s.*')",
    "(steps.x.a | sort | first) == 1",
    "(steps.x.a ~ 'x') == 'y'",
    "(steps.x.a | tail | namespace) == 'y'",
]


@settings(max_examples=60, deadline=None)
@given(data=JSON, form=st.sampled_from(FORMS))
def test_any_data_gives_a_boolean_or_an_expression_error(data: object, form: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(Condition(form).holds({"steps": {"x": {"a": data}}}), bool)


@settings(max_examples=60, deadline=None)
@given(data=JSON)
def test_any_data_comes_through_arguments_as_it_is(data: object) -> None:
    try:
        rendered = Arguments({"v": "{{ vars.v }}"}).render({"vars": {"v": data}})
    except MissingValue:
        assert data is None
    else:
        assert rendered == {"v": data}


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60))
def test_any_source_compiles_or_is_refused(source: str) -> None:
    for make in (Condition, Template):
        try:
            made = make(source)
        except ExpressionError:
            continue
        with contextlib.suppress(ExpressionError):
            made.render(CONTEXT) if isinstance(made, Template) else made.holds(CONTEXT)
