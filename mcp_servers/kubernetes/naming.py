"""Finding an object by the name that an alert or a person used, and saying what is near when there is none."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]


def close(name: str, known: Iterable[str], limit: int = 5) -> list[str]:
    """The nearest of the known names: those that contain it or are contained in it first, then the similar ones."""
    names = sorted(set(known))
    inside = [n for n in names if n and (name in n or n in name)]
    similar = get_close_matches(name, names, limit, 0.5)
    return list(dict.fromkeys([*inside, *similar]))[:limit]


def hint_for(name: str, candidates: Sequence[Json]) -> str:
    """``close names: shop/checkout, shop/check-stock``, or what there is instead."""
    near = close(name, (o.name(c) for c in candidates))
    if near:
        shown = [f"{o.namespace(c)}/{o.name(c)}" for n in near for c in candidates if o.name(c) == n]
        return f"close names: {', '.join(dict.fromkeys(shown))}"
    if not candidates:
        return "there is none at all in the namespaces that were read"
    return f"{len(candidates)} others exist, none with a similar name"


def the_one(name: str, kind: str, found: Sequence[Json], namespace: str) -> Json:
    """The only object of that name. Raises `ToolFailure` NOT_FOUND with close names, VALIDATION where several namespaces have one."""
    exact = [item for item in found if o.name(item) == name]
    if len(exact) == 1:
        return exact[0]
    where = f" in namespace {namespace}" if namespace else " in any namespace that may be read"
    if not exact:
        raise ToolFailure("NOT_FOUND", f"no {kind} {name}{where}", hint=hint_for(name, found))
    spaces = ", ".join(sorted(f"{o.text(item, 'kind')} in {o.namespace(item)}" for item in exact)[:5])
    raise ToolFailure(
        "VALIDATION",
        f"several objects are called {name}: {spaces}",
        hint="give the namespace, and the kind where they differ",
    )
