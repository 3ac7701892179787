"""`Cluster`: everything that tools may ask of a cluster. Get, list, logs, and "may I".

Objects come back as the raw dicts of the API, without the annotations that carry a copy of the object (client-side apply stores
whole ConfigMaps and Secrets there). Namespaces outside the configured scope do not exist for callers.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes.kinds import HELM_RECORDS, Kind, kind_of, path
from mcp_servers.kubernetes.private_keys import without_private_keys
from mcp_servers.kubernetes.settings import KubernetesSettings
from mcp_servers.kubernetes.wire import StatusFailure, Wire

Json = dict[str, Any]

_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_GROUPS_S = 300.0  # an add-on that was installed since is seen after this
_COPIES = (
    "last-applied-configuration",
    "/last-applied",
    "/last-applied-config",
    "/applied",
    "/original",
    "/original-diff",
)


@dataclass(frozen=True)
class Listing:
    """``items`` in the API's order. ``complete`` is false where pages or namespaces are missing; ``note`` then says which and why."""

    items: list[Json]
    complete: bool = True
    note: str = ""


@dataclass
class Cluster:
    """An open line to one cluster. Make it with `open`; safe to use from many tasks of one event loop."""

    wire: Wire
    settings: KubernetesSettings
    _served: dict[str, frozenset[str]] = field(default_factory=dict)  # group/version -> plurals
    _versions: dict[str, str] = field(default_factory=dict)  # kind -> chosen group/version
    _groups: tuple[float, frozenset[str] | None] | None = None  # when asked, and all group/versions
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def open(cls, settings: KubernetesSettings) -> "Cluster":
        """Read the credentials; no request is made yet. Raises `ToolFailure` UNAVAILABLE when there are none."""
        return cls(await Wire.open(settings), settings)

    async def close(self) -> None:
        await self.wire.close()

    # -- reading -------------------------------------------------------------------------------------------------------------

    async def get(self, kind: str, name: str, namespace: str = "") -> Json:
        """One object. Raises `ToolFailure` NOT_FOUND, FORBIDDEN (with ``missing_permission``), UNAUTHORIZED, TIMEOUT, UNAVAILABLE."""
        row = kind_of(kind)
        self._admit(row, namespace)
        if row.metadata_only:  # only `list` is granted on these, and a list of one is the same question
            found = (await self.list_metadata(kind, namespace, fields=f"metadata.name={name}")).items
            one = next((o for o in found if _name(o) == name), None)
            if one is None:
                raise ToolFailure("NOT_FOUND", f"{kind} {namespace}/{name} does not exist")
            return one
        version = await self.version(kind)
        try:
            answer = await self.wire.get(path(version, row, namespace, name))
        except StatusFailure as failure:
            raise _explained(failure, "get", kind, namespace, name) from failure
        return _tidy(answer, kind, row)

    async def find(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """`get`, but ``None`` where the object does not exist."""
        try:
            return await self.get(kind, name, namespace)
        except ToolFailure as failure:
            if failure.info.code == "NOT_FOUND":
                return None
            raise

    async def list(
        self,
        kind: str,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
        max_pages: int = 20,
        keep: Callable[[Json], Json] | None = None,
    ) -> Listing:
        """All objects of ``kind``, in one namespace or in all that are in scope.

        ``labels`` and ``fields`` are selectors as the API takes them; ``limit`` is the page size, ``keep`` makes each object lighter before
        the next page is read. Metadata-only kinds come without content. Raises `ToolFailure`; UNSUPPORTED when no version of the API is
        served.
        """
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(limit)}
        return await self._list(_Ask(kind, kind_of(kind), query, max_pages, keep=keep), namespace)

    async def list_metadata(
        self,
        kind: str,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
        max_pages: int = 20,
    ) -> Listing:
        """Like `list`, but only each object's ``metadata`` (managedFields included) leaves the API server."""
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(limit)}
        return await self._list(_Ask(kind, kind_of(kind), query, max_pages, metadata=True), namespace)

    async def helm_records(self, namespace: str = "") -> Listing:
        """Metadata of Helm's release Secrets: their labels tell name, version and status. No other Secret is asked for, and no data.

        Raises `ToolFailure`; UNSUPPORTED unless `KubernetesSettings.helm_records` allows it.
        """
        if not self.settings.helm_records:
            raise ToolFailure(
                "UNSUPPORTED", "Helm's records are not read", hint="with RCA_K8S_HELM_SECRETS set to 1 their labels are"
            )
        query = {"labelSelector": "owner=helm", "fieldSelector": "type=helm.sh/release.v1", "limit": "500"}
        return await self._list(_Ask("Secret", HELM_RECORDS, query, 4, metadata=True), namespace)

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        previous: bool = False,
        tail_lines: int = 2000,
        limit_bytes: int = 1_048_576,
        since_seconds: int | None = None,
        timestamps: bool = False,
    ) -> str:
        """A container's log text, the newest ``tail_lines`` within ``limit_bytes``, without private keys.

        Raises `ToolFailure`: NOT_FOUND when there is no such instance or it has not started (its message says which), VALIDATION when a
        container must be named, UNSUPPORTED when reading logs is switched off.
        """
        if not self.settings.logs:
            raise ToolFailure("UNSUPPORTED", "reading logs is switched off", hint="RCA_K8S_LOGS=1 allows it")
        row = kind_of("Pod")
        self._admit(row, namespace)
        query = {
            "container": container,
            "previous": "true" if previous else "",
            "tailLines": str(tail_lines),
            "limitBytes": str(limit_bytes),
            "sinceSeconds": str(since_seconds) if since_seconds else "",
            "timestamps": "true" if timestamps else "",
        }
        try:
            text = await self.wire.get_text(path("v1", row, namespace, pod, log=True), query, limit_bytes)
            return without_private_keys(text)
        except StatusFailure as failure:
            gone = ("not found", "waiting to start", "is terminated", "not available", "ContainerCreating")
            if failure.status == 400 and any(words in failure.said for words in gone):
                raise ToolFailure("NOT_FOUND", failure.said, backend_status=400) from failure
            if failure.info.code == "FORBIDDEN":
                need = f"get pods/log in namespace {namespace}"
                raise ToolFailure(
                    "FORBIDDEN", f"not allowed to {need}", missing_permission=need, backend_status=403
                ) from failure
            raise _explained(failure, "get", "Pod", namespace, pod) from failure

    async def can(self, verb: str, resource: str, group: str = "", namespace: str = "", subresource: str = "") -> bool:
        """Whether this credential may do that; ``resource`` is a plural. Raises `ToolFailure` when the question itself fails."""
        attributes = {
            "verb": verb,
            "resource": resource,
            "group": group,
            "namespace": namespace,
            "subresource": subresource,
        }
        return await self.wire.may({k: v for k, v in attributes.items() if v})

    # -- API versions --------------------------------------------------------------------------------------------------------

    async def version(self, kind: str) -> str:
        """The group/version through which ``kind`` is read. Raises `ToolFailure` UNSUPPORTED when the cluster serves none."""
        row = kind_of(kind)
        if len(row.versions) == 1 and not row.optional:
            return row.versions[0]
        if row.custom and not self.settings.custom_resources:
            raise ToolFailure("UNSUPPORTED", f"{row.plural} are not looked at", hint="RCA_K8S_CRDS=auto looks at them")
        if kind not in self._versions:
            offered = await self._offered() if row.custom else None
            for candidate in row.versions:
                if offered is not None and candidate not in offered:
                    continue
                if row.plural in await self._resources(candidate):
                    self._versions[kind] = candidate
                    break
            else:
                raise ToolFailure(
                    "UNSUPPORTED",
                    f"the cluster serves no {row.plural} in {', '.join(row.versions)}",
                    hint="the API server is too old or the add-on is not installed",
                )
        return self._versions[kind]

    async def fallback_note(self, kind: str) -> str:
        """One sentence where an older API stands in for ``kind``'s own, "" where not."""
        row, chosen = kind_of(kind), await self.version(kind)
        return (
            f"{row.plural} read through {chosen} because the cluster lacks {row.versions[0]}"
            if chosen != row.versions[0]
            else ""
        )

    async def server_version(self) -> str:
        """The API server's version, e.g. ``v1.31.0``."""
        answer = await self.wire.get("/version")
        return str(answer.get("gitVersion") or "") if isinstance(answer, dict) else ""

    async def _offered(self) -> frozenset[str] | None:
        """The group/versions that the cluster serves; ``None`` when it does not say. One question stands for one a custom resource."""
        async with self._asking:
            if self._groups is None or time.monotonic() - self._groups[0] > _GROUPS_S:
                try:
                    answer = await self.wire.get("/apis")
                except StatusFailure as failure:
                    if failure.status not in (404, 403):
                        raise
                    answer = None
                self._groups = (time.monotonic(), _group_versions(answer))
            return self._groups[1]

    async def _resources(self, version: str) -> frozenset[str]:
        if version not in self._served:
            try:
                answer = await self.wire.get(f"/apis/{version}" if "/" in version else f"/api/{version}")
            except StatusFailure as failure:
                if failure.status not in (404, 403):
                    raise
                answer = {}
            rows = answer.get("resources") if isinstance(answer, dict) else None
            self._served[version] = frozenset(str(r.get("name")) for r in rows or [] if isinstance(r, dict))
        return self._served[version]

    # -- lists ---------------------------------------------------------------------------------------------------------------

    def _admit(self, row: Kind, namespace: str) -> None:
        """Refuse namespaces outside the scope before anything is asked."""
        if not row.namespaced or not namespace:
            return
        scope = self.settings.namespaces
        if namespace in self.settings.deny_namespaces or (scope and namespace not in scope):
            raise ToolFailure(
                "FORBIDDEN",
                f"namespace {namespace} is outside of what this server may read",
                hint="RCA_K8S_NAMESPACES and RCA_K8S_DENY_NAMESPACES decide",
            )

    async def _list(self, ask: "_Ask", namespace: str) -> Listing:
        self._admit(ask.row, namespace)
        version = ask.row.versions[0] if ask.row is HELM_RECORDS else await self.version(ask.kind)
        denied, scope = self.settings.deny_namespaces, self.settings.namespaces
        if ask.row.namespaced and not namespace and scope:
            spaces = [n for n in scope if n not in denied]
            parts = await asyncio.gather(*(self._pages(ask, version, n) for n in spaces), return_exceptions=True)
            return _merged(parts, spaces)
        listing = await self._pages(ask, version, namespace)
        if ask.row.namespaced and not namespace and denied:
            kept = [o for o in listing.items if o["metadata"].get("namespace") not in denied]
            return Listing(kept, listing.complete, listing.note)
        return listing

    async def _pages(self, ask: "_Ask", version: str, namespace: str) -> Listing:
        """Follow continue tokens; a token that expired (410) starts the list over once."""
        items: list[Json] = []
        token, restarted, pages, plural = "", False, 0, ask.row.plural
        where = path(version, ask.row, namespace)
        while pages < ask.max_pages:
            try:
                answer = await self.wire.get(where, {**ask.query, "continue": token}, ask.accept)
            except StatusFailure as failure:
                if failure.status == 410 and token and not restarted:
                    items, token, restarted, pages = [], "", True, 0
                    continue
                if failure.status == 410 and items:
                    return Listing(items, False, f"the list of {plural} expired while it was read; {len(items)} seen")
                raise _explained(failure, "list", ask.kind, namespace) from failure
            pages += 1
            if not isinstance(answer, dict):
                raise ToolFailure("UPSTREAM", f"the list of {plural} is not an object")
            if ask.row is HELM_RECORDS and answer.get("kind") != "PartialObjectMetadataList":
                raise ToolFailure("UPSTREAM", "the API server sent more than the metadata of Secrets; it was dropped")
            page = [_tidy(item, ask.kind, ask.row) for item in answer.get("items") or [] if isinstance(item, dict)]
            items += page if ask.keep is None else map(ask.keep, page)
            token = str((answer.get("metadata") or {}).get("continue") or "")
            if not token:
                return Listing(items)
        return Listing(items, False, f"only the first {len(items)} {plural} were read")


@dataclass(frozen=True)
class _Ask:
    """What one list asks for, whichever namespaces it is asked in."""

    kind: str
    row: Kind
    query: dict[str, str]
    max_pages: int
    metadata: bool = False
    keep: Callable[[Json], Json] | None = None

    @property
    def accept(self) -> str:
        return _METADATA if self.metadata or self.row.metadata_only else "application/json"


def _group_versions(answer: Any) -> frozenset[str] | None:
    """All group/versions of an APIGroupList; ``None`` where it is none."""
    groups = answer.get("groups") if isinstance(answer, dict) else None
    if not isinstance(groups, list):
        return None
    rows = [v for g in groups if isinstance(g, dict) for v in g.get("versions") or [] if isinstance(v, dict)]
    return frozenset(str(v.get("groupVersion")) for v in rows)


def _merged(parts: Iterable[Listing | BaseException], spaces: Iterable[str]) -> Listing:
    """One listing of several namespaces' listings; what failed is noted, and raised when nothing else is left."""
    items: list[Json] = []
    notes: list[str] = []
    failures: list[ToolFailure] = []
    whole = True
    for space, part in zip(spaces, parts, strict=True):
        if isinstance(part, ToolFailure):
            failures.append(part)
            notes.append(f"{space}: {part.info.message}")
        elif isinstance(part, BaseException):
            raise part
        else:
            items += part.items
            whole = whole and part.complete
            notes += [part.note] if part.note else []
    if failures and len(failures) == len(notes) and not items:
        raise failures[0]
    return Listing(items, whole and not failures, "; ".join(notes)[:300])


def _tidy(item: Any, kind: str, row: Kind) -> Json:
    """Drop annotations that hold copies of the object, before anything else sees it; name the kind, which lists leave out."""
    if not isinstance(item, dict):
        raise ToolFailure("UPSTREAM", f"the API server's answer for a {kind} is not an object")
    item.setdefault("kind", kind)
    if item["kind"] == "PartialObjectMetadata":
        item["kind"] = kind
    meta = item.get("metadata")
    if not isinstance(meta, dict):
        item["metadata"] = {}
        return item
    notes = meta.get("annotations")
    if isinstance(notes, dict):
        meta["annotations"] = {k: v for k, v in notes.items() if not k.endswith(_COPIES)}
    if row.metadata_only:
        return {"kind": kind, "metadata": meta}
    return item


def _name(item: Json) -> str:
    return str((item.get("metadata") or {}).get("name") or "")


def _explained(failure: StatusFailure, verb: str, kind: str, namespace: str, name: str = "") -> ToolFailure:
    """The API's refusal in the words of the person who must act."""
    row = HELM_RECORDS if kind == "Secret" else kind_of(kind)
    where = f"in namespace {namespace}" if namespace else ("in all namespaces" if row.namespaced else "in the cluster")
    what = f"{row.plural}{'.' + row.group if row.group else ''}"
    if failure.info.code == "FORBIDDEN":
        hint = "grant it in the bot's (Cluster)Role"
        if verb == "list" and row.namespaced and not namespace:
            hint += ", or name the readable namespaces in RCA_K8S_NAMESPACES"
        return ToolFailure(
            "FORBIDDEN",
            f"not allowed to {verb} {what} {where}",
            hint=hint,
            missing_permission=f"{verb} {what} {where}",
            backend_status=failure.status,
        )
    if failure.info.code == "NOT_FOUND" and name:
        return ToolFailure(
            "NOT_FOUND",
            f"{kind} {namespace + '/' if namespace else ''}{name} does not exist",
            backend_status=failure.status,
        )
    if failure.info.code == "UNSUPPORTED":
        return ToolFailure(
            "UNSUPPORTED", f"the cluster does not serve {what}", hint=failure.info.hint, backend_status=failure.status
        )
    return failure
