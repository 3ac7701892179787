"""SigNoz's HTTP API: one pool of connections, a closed list of reading paths, bounded answers, and errors that say what to mend.

Nothing here can write: a path that is not in `READING` is refused before anything is sent, and a POST goes to the few paths that take
their question as a body. The key is a database credential in disguise, because SigNoz lets it send SQL: it is checked at the first
contact, kept out of every message, and no SQL is ever sent; `query` takes builder queries only.
"""

import asyncio
import json
import re
import ssl
import time
from typing import Any, Final

import aiohttp

from mcp_servers.common.envelope import ErrorCode, ToolFailure
from mcp_servers.common.retry import patiently
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.settings import ApiSettings, SigNozSettings

QUERY: Final = "/api/v5/query_range"
_ID = r"[0-9A-Za-z][0-9A-Za-z_-]{0,79}"  # no dots: a path must not lead elsewhere
READING: Final = tuple(
    (method, re.compile(path))
    for method, path in (
        ("GET", "/api/v1/version"),
        ("GET", "/api/v1/service_accounts/me"),
        ("POST", QUERY),
        ("POST", "/api/v1/listErrors"),
        ("GET", "/api/v1/errorFromGroupID"),
        ("GET", "/api/v1/alerts"),
        ("GET", f"/api/v[12]/rules/{_ID}"),
        ("GET", f"/api/v2/rules/{_ID}/history/timeline"),
        ("POST", f"/api/v1/rules/{_ID}/history/timeline"),
        ("GET", "/api/v1/fields/(keys|values)"),
        ("GET", "/api/v2/metrics"),
        ("GET", "/api/v2/metrics/metadata"),
    )
)
_IN_FLIGHT = 4
_MOST_WAIT_S = 4.0
_REMEMBERED_S = 600.0  # a path that is missing may come with an upgrade
_CODES: dict[int, ErrorCode] = {
    400: "VALIDATION",
    401: "UNAUTHORIZED",
    402: "FORBIDDEN",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "UNSUPPORTED",
    408: "TIMEOUT",
    413: "TOO_LARGE",
    429: "RATE_LIMITED",
    501: "UNSUPPORTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "TIMEOUT",
}
_HINTS: dict[ErrorCode, str] = {
    "UNAUTHORIZED": "RCA_SIGNOZ_API_KEY is wrong, expired or revoked; make a key for a service account with the role Viewer",
    "FORBIDDEN": "give the key's service account the role Viewer",
    "TIMEOUT": "ask for a shorter time range or one service",
    "TOO_LARGE": "ask for a shorter time range or one service",
    "RATE_LIMITED": "ask again later",
    "UNAVAILABLE": "check RCA_SIGNOZ_URL and that SigNoz is up",
    "UNSUPPORTED": "this SigNoz is too old for it, or a proxy keeps the path back",
}
_POWERS = re.compile(r"(?i)admin|editor|owner|write")


class Missing(Exception):
    """The path does not exist on this SigNoz (404 or 405): the next candidate may."""


class UnknownKey(Exception):
    """A builder query named a key that no row has; ``key`` is its name, ``near`` what SigNoz suggests."""

    def __init__(self, key: str, near: tuple[str, ...]) -> None:
        self.key, self.near = key, near
        super().__init__(key)


class Api:
    """Use `open`. ``version``, ``user`` and ``roles`` are what the first contact told; ``warnings`` are for whoever keeps the key.

    ``excess``: roles that may do more than read; ``refusal``: what tools answer because of them, unless that is allowed.
    """

    def __init__(self, settings: SigNozSettings, api: ApiSettings, session: aiohttp.ClientSession) -> None:
        self.settings, self.api = settings, api
        self._session = session
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        self._gone: dict[str, float] = {}
        self.version = ""
        self.user = ""
        self.roles: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self.excess: tuple[str, ...] = ()
        self.refusal: ToolFailure | None = None

    @classmethod
    async def open(cls, settings: SigNozSettings) -> "Api":
        """Raises `ToolFailure`: UNAVAILABLE or UNAUTHORIZED. A key that may do more than read is told in `refusal`."""
        api = settings.api
        if api is None:
            raise ToolFailure("UNSUPPORTED", "RCA_SIGNOZ_URL is not set", hint="set it and RCA_SIGNOZ_API_KEY")
        trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=api.ca_file) if api.ca_file else True
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s, connect=min(5.0, settings.timeout_s)),
            connector=aiohttp.TCPConnector(limit=10, ssl=trust),
            headers={"SIGNOZ-API-KEY": api.key, "Accept": "application/json"},
        )
        made = cls(settings, api, session)
        try:
            await made._inspect()
        except BaseException:
            await session.close()
            raise
        return made

    async def close(self) -> None:
        await self._session.close()

    async def _inspect(self) -> None:
        try:
            told = await self.get("/api/v1/version")
            self.version = str(told.get("version", "")) if isinstance(told, dict) else ""
        except Missing:
            self.warnings.append("SigNoz does not tell its version")
        try:
            me = await self.get("/api/v1/service_accounts/me")
        except Missing:
            self.warnings.append(
                "this SigNoz has no service accounts, so the key's role cannot be checked; it should be Viewer"
            )
            return
        me = me if isinstance(me, dict) else {}
        self.user = str(me.get("name") or me.get("email") or "")
        self.roles = tuple(_role(r) for r in me.get("serviceAccountRoles") or me.get("roles") or [])
        if not self.roles:
            self.warnings.append(
                "the key's service account has no role: SigNoz refuses its questions until it is a Viewer"
            )
        found = [r for r in self.roles if _POWERS.search(r)]
        if found:
            powers = ", ".join(clean(r, 40) for r in found[:5])
            said = f"the SigNoz key of {clean(self.user, 60) or 'its service account'} may do more than read ({powers})"
            self.excess = tuple(clean(r, 40) for r in found)
            if not self.settings.allow_privileged:
                self.refusal = ToolFailure(
                    "FORBIDDEN",
                    f"{said}; the server does not work with such a key",
                    hint="use the key of a service account with the role Viewer, or set RCA_ALLOW_PRIVILEGED=1",
                )

    async def get(self, path: str, **params: str) -> Any:
        """The ``data`` of one answer. Raises `ToolFailure`, or `Missing` where SigNoz has no such path."""
        return await self._ask("GET", path, params, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._ask("POST", path, {}, body)

    async def query(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a v5 question: ``type``, ``data``, ``meta``. Raises `ToolFailure`, or `UnknownKey`."""
        kinds = {q.get("type") for q in body["compositeQuery"]["queries"]}
        if not kinds <= {"builder_query"}:
            raise ValueError(f"only builder queries are sent, not {kinds}")
        try:
            told = await self.post(QUERY, body)
        except Missing as error:
            raise ToolFailure(
                "UNSUPPORTED",
                f"SigNoz {self.version or ''} at {self.api.url} has no {QUERY}",
                hint="SigNoz 0.88 or newer is needed, or RCA_SIGNOZ_CLICKHOUSE_URL so that its store is read",
            ) from error
        if not isinstance(told, dict) or not isinstance(told.get("data") or {}, dict):
            raise ToolFailure(
                "UPSTREAM", f"{QUERY} answered in a shape that is not its own", hint=_HINTS["UNSUPPORTED"]
            )
        return told

    async def first_of(self, *ways: tuple[str, str, dict[str, str] | dict[str, Any]]) -> Any:
        """The answer of the first (method, path, parameters) that this SigNoz has. Raises `Missing` when it has none."""
        for method, path, given in ways:
            try:
                return await (self.get(path, **given) if method == "GET" else self.post(path, given))
            except Missing:
                continue
        raise Missing(ways[-1][1])

    async def _ask(self, method: str, path: str, params: dict[str, str], body: dict[str, Any] | None) -> Any:
        route = next((r.pattern for m, r in READING if m == method and r.fullmatch(path)), "")
        if not route:
            raise ValueError(f"{method} {path} is not a reading path")
        if time.monotonic() - self._gone.get(f"{method} {route}", -_REMEMBERED_S) < _REMEMBERED_S:
            raise Missing(path)
        async with self._places:
            try:
                return await patiently(lambda: self._once(method, path, params, body), _MOST_WAIT_S)
            except Missing:
                self._gone[f"{method} {route}"] = time.monotonic()
                raise

    async def _once(self, method: str, path: str, params: dict[str, str], body: dict[str, Any] | None) -> Any:
        cap = self.settings.common.max_upstream_bytes
        try:
            async with self._session.request(
                method, self.api.url + path, params=params, json=body, allow_redirects=False
            ) as answer:
                read = bytearray()
                async for chunk in answer.content.iter_chunked(65_536):
                    read += chunk
                    if len(read) > cap:
                        raise ToolFailure(
                            "TOO_LARGE", f"{path}: SigNoz answered more than {cap:,} bytes", hint=_HINTS["TOO_LARGE"]
                        )
                return await self._told(path, answer.status, answer.headers.get("Retry-After", ""), bytes(read))
        except TimeoutError as error:
            raise ToolFailure(
                "TIMEOUT", f"{path}: no answer in {self.settings.timeout_s:g} s", retryable=True, hint=_HINTS["TIMEOUT"]
            ) from error
        except aiohttp.ClientError as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"{path}: SigNoz at {self.api.url} cannot be reached ({type(error).__name__})",
                retryable=True,
                hint=_HINTS["UNAVAILABLE"],
            ) from error

    async def _told(self, path: str, status: int, retry_after: str, body: bytes) -> Any:
        if body.lstrip()[:1] == b"<":
            raise ToolFailure(
                "UNAVAILABLE",
                f"{path}: the answer is a web page: this is SigNoz's UI or a proxy in front of it",
                hint="RCA_SIGNOZ_URL must be SigNoz's own base URL, reachable without a login page",
                backend_status=status,
            )
        try:
            told = await asyncio.to_thread(json.loads, body) if body.strip() else {}
        except (ValueError, RecursionError) as error:
            if status in (404, 405):
                raise Missing(path) from error
            if status == 200:
                raise ToolFailure("UPSTREAM", f"{path}: the answer is not JSON", hint=_HINTS["UNAVAILABLE"]) from error
            told = {}
        if status == 200 and not (isinstance(told, dict) and told.get("status") == "error"):
            return (
                told["data"] if isinstance(told, dict) and "data" in told and told.get("status") == "success" else told
            )
        raise self._failure(path, status, retry_after, told)

    def _failure(self, path: str, status: int, retry_after: str, told: Any) -> Exception:
        """SigNoz's own words may repeat the question and its literals, so only keys and suggestions get through."""
        error = told.get("error") if isinstance(told, dict) else None
        error = error if isinstance(error, dict) else {"message": str(error or "")}
        words = " ".join(
            [str(error.get("message", "")), *(str(e.get("message", "")) for e in _dicts(error.get("errors")))]
        )
        unknown = re.search(r"key [`'\"]([\w.\-/]{1,120})[`'\"] not found", words)
        near = tuple(
            clean(s, 80)
            for e in [error, *_dicts(error.get("errors"))]
            for s in (e.get("suggestions") or [])
            if isinstance(s, str)
        )[:5]
        if unknown and status == 400:
            return UnknownKey(unknown[1], near)
        no_route = status == 405 or (
            status == 404 and (not words.strip() or re.search(r"(?i)page not found|no route|api not found", words))
        )
        if no_route:
            return Missing(path)
        code = _CODES.get(status, "UPSTREAM")
        delay = str(_dict(error.get("retry")).get("delay", "")) or retry_after
        hint = f"SigNoz suggests: {', '.join(near)}" if near and code == "VALIDATION" else _HINTS.get(code, "")
        return ToolFailure(
            code,
            f"{path}: SigNoz refused with HTTP {status}"
            + (f" ({clean(error['code'], 60)})" if error.get("code") else ""),
            retryable=code in ("RATE_LIMITED", "UNAVAILABLE", "TIMEOUT"),
            retry_after_s=_seconds(delay),
            hint=hint,
            missing_permission=f"the role Viewer for {path}" if code == "FORBIDDEN" else "",
            backend_status=status,
        )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _role(value: Any) -> str:
    """The name of a role, which is told as text or as an object around one."""
    if isinstance(value, dict):
        inner = value.get("role")
        return _role(inner) if isinstance(inner, dict) else str(value.get("name") or inner or "unnamed")
    return str(value)


def _seconds(text: str) -> float | None:
    """``3``, ``3s`` or ``500ms`` in seconds; at most an hour."""
    found = re.fullmatch(r"\s*(\d{1,7}(?:\.\d{1,3})?)\s*(ms|s|m)?\s*", text)
    if not found:
        return None
    return min(3600.0, float(found[1]) * {"ms": 0.001, "m": 60.0}.get(found[2] or "s", 1.0))
