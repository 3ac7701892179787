"""Atlas' Admin API v2: one pool of connections, a closed list of reading paths, bounded answers, and errors that say what to mend.

Nothing here can write: everything is a GET on a path of `READING`; the one POST goes to the token endpoint. Atlas' own words are not passed
on, because they may repeat what was asked; its closed error codes are.
"""

import asyncio
import json
import re
from time import monotonic
from typing import Any, Final

import aiohttp

from mcp_servers.common.envelope import ErrorCode, ToolFailure
from mcp_servers.common.retry import patiently
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.settings import AtlasSettings, MongoSettings

ACCEPT: Final = "application/vnd.atlas.2025-03-12+json"
TOKEN: Final = "/api/oauth/token"  # noqa: S105 - the path where tokens are made
_BASE: Final = "/api/atlas/v2"
_NAME = r"[A-Za-z0-9_.:-]{1,300}"
READING: Final = tuple(
    re.compile(rf"/groups/[0-9a-f]{{24}}{path}")
    for path in (
        "",
        "/processes",
        f"/processes/{_NAME}/measurements",
        f"/processes/{_NAME}/disks",
        f"/processes/{_NAME}/disks/{_NAME}/measurements",
        f"/processes/{_NAME}/performanceAdvisor/slowQueryLogs",
        f"/clusters/{_NAME}",
        f"/clusters/{_NAME}/performanceAdvisor/suggestedIndexes",
        "/alerts",
        "/events",
        f"/serviceAccounts/{_NAME}",
        "/apiKeys",
    )
)
READERS: Final = frozenset({"GROUP_READ_ONLY", "GROUP_OBSERVABILITY_VIEWER"})
_REFRESH_AT: Final = 0.8  # of a token's life
_IN_FLIGHT: Final = 4
_MOST_WAIT_S: Final = 4.0
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")
_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{1,4}\b")
_CODES: Final[dict[int, ErrorCode]] = {
    400: "VALIDATION",
    401: "UNAUTHORIZED",
    402: "UNSUPPORTED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    408: "TIMEOUT",
    413: "TOO_LARGE",
    429: "RATE_LIMITED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "TIMEOUT",
}
_HINTS: Final[dict[ErrorCode, str]] = {
    "UNAUTHORIZED": "the key is wrong, expired or deleted; make a new secret for the service account and set RCA_ATLAS_CLIENT_SECRET",
    "FORBIDDEN": "give the service account the roles Project Read Only and Project Observability Viewer",
    "NOT_FOUND": "check RCA_ATLAS_PROJECT_ID and RCA_ATLAS_CLUSTER",
    "TIMEOUT": "ask for a shorter time range",
    "RATE_LIMITED": "Atlas limits requests a minute for each project; ask again later",
    "UNAVAILABLE": "check RCA_ATLAS_BASE_URL, the way out of this network and status.mongodb.com",
}
# Tiers without a process of their own: what they refuse no role would open.
_TIER = re.compile(r"TENANT|SHARED|FLEX|SERVERLESS|M0|NOT_SUPPORTED|UNSUPPORTED|FREE_TIER")


class UnknownMetric(Exception):
    """Atlas does not know one of the metrics that were asked for (HTTP 400); it rarely says which."""


class Atlas:
    """Use `open`. ``excess``: roles of the key beyond reading, where it may see its own; ``refusal``: what tools answer because of them."""

    def __init__(self, settings: MongoSettings, atlas: AtlasSettings, session: aiohttp.ClientSession) -> None:
        self.settings, self.atlas = settings, atlas
        self._session = session
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        self._token = ""
        self._fresh_until = 0.0
        self._refreshing = asyncio.Lock()
        self._checked = asyncio.Lock()
        self._looked = False
        self.roles: tuple[str, ...] = ()
        self.excess: tuple[str, ...] = ()

    @classmethod
    def open(cls, settings: MongoSettings) -> "Atlas":
        """Opens no connection yet. Raises `ToolFailure` UNAVAILABLE when Atlas is not configured."""
        atlas = settings.atlas
        if atlas is None:
            raise ToolFailure(
                "UNAVAILABLE",
                "Atlas is not configured",
                hint="set RCA_ATLAS_PROJECT_ID, RCA_ATLAS_CLIENT_ID and RCA_ATLAS_CLIENT_SECRET",
            )
        digest = (aiohttp.DigestAuthMiddleware(atlas.account, atlas.secret),) if atlas.digest else ()
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s, connect=min(5.0, settings.timeout_s)),
            connector=aiohttp.TCPConnector(limit=_IN_FLIGHT),
            middlewares=digest,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return cls(settings, atlas, session)

    @property
    def server(self) -> str:
        return f"{self.atlas.url} project {self.atlas.project}"

    async def close(self) -> None:
        await self._session.close()

    async def group(self, path: str = "", params: list[tuple[str, str]] | None = None) -> dict[str, Any]:
        """One answer below the project. Raises `ToolFailure`; `UnknownMetric` where Atlas refuses a metric's name."""
        full = f"/groups/{self.atlas.project}{path}"
        if not any(route.fullmatch(full) for route in READING):
            raise ValueError(f"{full} is not a reading path")
        async with self._places:
            return await patiently(lambda: self._get(full, params or []), _MOST_WAIT_S)

    async def rows(self, path: str, params: list[tuple[str, str]] | None = None) -> list[dict[str, Any]]:
        """The ``results`` of a list. Raises as `group`."""
        found = (await self.group(path, params)).get("results")
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    async def admit(self) -> None:
        """Raises `ToolFailure` FORBIDDEN for a key that may change the project, where it may see its own roles."""
        await self.inspect()
        if self.excess and not self.settings.allow_privileged:
            raise ToolFailure(
                "FORBIDDEN",
                f"the Atlas key may do more than read: {', '.join(self.excess[:6])}",
                hint="use a service account with Project Read Only and Project Observability Viewer, or set RCA_ALLOW_PRIVILEGED=1",
            )

    async def inspect(self) -> None:
        """What the key may do, looked at once. A key that only reads is refused this look (403): that is the good case."""
        async with self._checked:
            if self._looked:
                return
            try:
                self.roles = tuple(sorted({clean(r, 60) for r in await self._own_roles()}))
            except ToolFailure as failure:
                if failure.info.code not in ("FORBIDDEN", "NOT_FOUND", "UNSUPPORTED"):
                    raise
            self.excess = tuple(r for r in self.roles if r not in READERS)
            self._looked = True

    async def _own_roles(self) -> list[str]:
        if self.atlas.digest:
            keys = await self.rows("/apiKeys", [("itemsPerPage", "500")])
            mine = [r for k in keys if k.get("publicKey") == self.atlas.account for r in k.get("roles") or []]
            names = [
                r.get("roleName")
                for r in mine
                if isinstance(r, dict) and r.get("groupId", self.atlas.project) == self.atlas.project
            ]
        else:
            account = await self.group(f"/serviceAccounts/{self.atlas.account}")
            names = list(account.get("roles") or [])
        return [n for n in names if isinstance(n, str)]

    async def _get(self, path: str, params: list[tuple[str, str]]) -> dict[str, Any]:
        headers = {"Accept": ACCEPT}
        if not self.atlas.digest:
            headers["Authorization"] = f"Bearer {await self._bearer()}"
        status, body, answered = await self._send("GET", _BASE + path, path, params=params, headers=headers)
        told = _object(body)
        if status == 200 and told is not None:
            return told
        if status == 401 and not self.atlas.digest:
            self._fresh_until = 0.0  # revoked before its time: the next question brings a new one
        raise self._failure(path, status, told or {}, answered, bool(params and path.endswith("/measurements")))

    async def _bearer(self) -> str:
        """The token, renewed at 80 % of its life by whoever comes first; the others wait for that one."""
        if monotonic() < self._fresh_until:
            return self._token
        async with self._refreshing:
            if monotonic() < self._fresh_until:
                return self._token
            basic = aiohttp.BasicAuth(self.atlas.account, self.atlas.secret).encode()
            status, body, answered = await self._send(
                "POST",
                TOKEN,
                "token",
                data={"grant_type": "client_credentials"},
                headers={"Authorization": basic, "Accept": "application/json"},
            )
            told = _object(body) or {}
            token, life = told.get("access_token"), told.get("expires_in")
            if status == 200 and isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]{1,8192}", token):
                lasts = (
                    float(life) if isinstance(life, int | float) and not isinstance(life, bool) and life > 0 else 3600.0
                )
                self._token, self._fresh_until = token, monotonic() + lasts * _REFRESH_AT
                return token
            if status in (400, 401):
                raise ToolFailure(
                    "UNAUTHORIZED",
                    "Atlas refuses the service account",
                    hint=_HINTS["UNAUTHORIZED"],
                    backend_status=status,
                )
            raise self._failure("token", status, told, answered, False)

    async def _send(
        self, method: str, path: str, name: str, **more: Any
    ) -> tuple[int, bytes, "aiohttp.ClientResponse"]:
        cap = self.settings.common.max_upstream_bytes
        try:
            async with self._session.request(method, self.atlas.url + path, allow_redirects=False, **more) as answer:
                read = bytearray()
                async for chunk in answer.content.iter_chunked(65_536):
                    read += chunk
                    if len(read) > cap:
                        raise ToolFailure(
                            "TOO_LARGE",
                            f"Atlas {_plain(name)}: more than {cap:,} bytes",
                            hint="ask for a shorter time range",
                        )
                return answer.status, bytes(read), answer
        except TimeoutError as error:
            raise ToolFailure(
                "TIMEOUT",
                f"Atlas {_plain(name)}: no answer in {self.settings.timeout_s:g} s",
                retryable=True,
                hint=_HINTS["TIMEOUT"],
            ) from error
        except aiohttp.ClientError as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"Atlas at {self.atlas.url} cannot be reached ({type(error).__name__})",
                retryable=True,
                hint=_HINTS["UNAVAILABLE"],
            ) from error

    def _failure(
        self, path: str, status: int, told: dict[str, Any], answer: "aiohttp.ClientResponse", metrics: bool
    ) -> Exception:
        said = told.get("errorCode")
        word = said if isinstance(said, str) and _CODE.fullmatch(said) else ""
        if status == 400 and metrics:
            return UnknownMetric()
        code = _CODES.get(status, "UPSTREAM")
        hint, missing = _HINTS.get(code, ""), ""
        if status in (400, 403, 404) and _TIER.search(word):
            code, hint = "UNSUPPORTED", "this tier (M0, Flex) has no such statistics; no role would open them"
        elif status == 403 and "ACCESS_LIST" in word:
            found = _ADDRESS.search(str(told.get("detail", ""))[:2_000])
            seen = f" {found[0]}" if found else ""
            hint = f"add this machine's address{seen} to the API access list of the Atlas service account"
        elif status == 403:
            missing = f"read {_plain(path)} of project {self.atlas.project}"
        elif status == 401 and self.atlas.digest:
            hint = "RCA_ATLAS_PUBLIC_KEY or RCA_ATLAS_PRIVATE_KEY is wrong or deleted"
        return ToolFailure(
            code,
            f"Atlas {_plain(path)}: refused with HTTP {status}" + (f" ({word})" if word else ""),
            retryable=code in ("RATE_LIMITED", "UNAVAILABLE", "TIMEOUT"),
            retry_after_s=_seconds(answer.headers.get("Retry-After", "")),
            hint=hint,
            missing_permission=missing,
            backend_status=status,
        )


def _plain(path: str) -> str:
    """A path in words: what is asked for, without the project and the host."""
    return path.rstrip("/").rsplit("/", 1)[-1] if path.count("/") > 2 else path.strip("/").split("/")[0] or "project"


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _seconds(text: str) -> float | None:
    return min(3600.0, float(text)) if re.fullmatch(r"\s*\d{1,7}(\.\d{1,3})?\s*", text) else None
