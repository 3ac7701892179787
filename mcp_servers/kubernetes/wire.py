"""The read-only line to one API server.

Only two requests exist here: GET on a path that `kinds.path` built, and the POST of a SelfSubjectAccessReview, which asks what this
credential may do and changes nothing. Bodies are read as raw JSON under a size cap: the client library's typed models refuse real
objects (``eventTime: null``).
"""

import asyncio
import importlib
import json
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp

from mcp_servers.common.envelope import ErrorCode, ToolFailure
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes.settings import KubernetesSettings

_PAUSES = (0.1, 0.4)
_DEFAULT_KUBECONFIG = str(Path("~/.kube/config").expanduser())
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CODES: dict[int, ErrorCode] = {
    400: "VALIDATION",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "UNSUPPORTED",
    406: "UNSUPPORTED",
    408: "TIMEOUT",
    410: "UPSTREAM",
    413: "TOO_LARGE",
    429: "RATE_LIMITED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}


class StatusFailure(ToolFailure):
    """An answer that is no success: the HTTP status and the API server's own message (cleaned), beside the typed error."""

    def __init__(self, status: int, said: str, code: ErrorCode, message: str, **more: Any) -> None:
        super().__init__(code, message, backend_status=status, **more)
        self.status = status
        self.said = said


def client_library() -> tuple[Any, Any]:
    """The Kubernetes client's (client, config) modules. The first call imports them, which takes about a second: call it in a thread."""
    return importlib.import_module("kubernetes.aio.client"), importlib.import_module("kubernetes.aio.config")


class Wire:
    """One configured HTTP client. `open` reads the credentials and connects nothing; the first request does."""

    def __init__(self, api: Any, settings: KubernetesSettings) -> None:
        self._api = api
        self._settings = settings
        self.skew_s: float | None = (
            None  # the API server's clock minus ours, as its last answer told; whole seconds at best
        )

    @classmethod
    async def open(cls, settings: KubernetesSettings) -> "Wire":
        """Read kubeconfig or the pod's own credentials. Raises `ToolFailure` UNAVAILABLE or UNAUTHORIZED with what to mend."""
        client, config = await asyncio.to_thread(client_library)
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = 10
        configuration.retries = None  # False would count as 0 attempts and switch its retries on
        where = "the pod's service account" if settings.in_cluster else settings.kubeconfig or "~/.kube/config"
        try:
            if settings.in_cluster:
                config.load_incluster_config(client_configuration=configuration)
            else:
                file = settings.kubeconfig or _DEFAULT_KUBECONFIG
                await config.load_kube_config(
                    config_file=file,
                    context=settings.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            api = client.ApiClient(configuration)
        except config.ConfigException as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"no usable cluster configuration in {where}: {clean(error, 200)}",
                hint="set KUBECONFIG or RCA_K8S_KUBECONFIG to a kubeconfig, or run inside the cluster with a ServiceAccount",
            ) from error
        except (OSError, ssl.SSLError, ValueError, TypeError, KeyError) as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"cannot read the cluster configuration in {where}: {clean(error, 200)}",
                hint="check the file, its certificates and its current context with: kubectl config view --minify",
            ) from error
        api.user_agent = "rca-bot/kubernetes (read-only)"
        return cls(api, settings)

    @property
    def host(self) -> str:
        """The API server's address as configured, for messages; holds no credential."""
        return str(clean(self._api.configuration.host, 200))

    async def close(self) -> None:
        await self._api.close()

    async def get(self, path: str, query: dict[str, str] | None = None, accept: str = "application/json") -> Any:
        """The parsed JSON of ``path``. Raises `ToolFailure`."""
        return _parse(await self._request(_Request("GET", path, query or {}, accept, self._cap)))

    async def get_text(self, path: str, query: dict[str, str], limit: int) -> str:
        """The text of ``path``, at most ``limit`` bytes of it. Raises `ToolFailure`."""
        body = await self._request(_Request("GET", path, query, "*/*", limit, cut=True))
        return body.decode("utf-8", "replace")

    async def may(self, attributes: dict[str, str]) -> bool:
        """Whether this credential is allowed the access that ``attributes`` describe. Raises `ToolFailure`."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = _parse(await self._request(_Request("POST", _REVIEW, {}, "application/json", self._cap, body=review)))
        status = answer.get("status") if isinstance(answer, dict) else None
        return bool(isinstance(status, dict) and status.get("allowed"))

    @property
    def _cap(self) -> int:
        return self._settings.common.max_upstream_bytes

    async def _request(self, request: "_Request") -> bytes:
        for pause in (*_PAUSES, None):
            try:
                return await self._once(request)
            except ToolFailure as failure:
                if failure.info.code not in ("UNAVAILABLE", "RATE_LIMITED") or pause is None:
                    raise
                wait = pause if failure.info.retry_after_s is None else failure.info.retry_after_s
                if wait > self._settings.timeout_s / 2:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _once(self, request: "_Request") -> bytes:
        limit = self._settings.timeout_s
        try:
            verb, url, headers, payload, post = await self._api.param_serialize(
                request.method,
                request.path,
                query_params=[(k, v) for k, v in request.query.items() if v],
                header_params={"Accept": request.accept, "Content-Type": "application/json"},
                body=request.body,
                auth_settings=["BearerToken"],
            )
            async with asyncio.timeout(limit):
                answer = await self._api.rest_client.request(
                    verb, url, headers=headers, body=payload, post_params=post, _request_timeout=limit
                )
                response: aiohttp.ClientResponse = answer.response
                try:
                    data = await _read(response, request)
                finally:
                    response.release()
        except TimeoutError as error:
            raise ToolFailure(
                "TIMEOUT",
                f"the API server did not answer GET {request.path} within {limit:g} s",
                retryable=True,
                hint="ask for one namespace or one object; RCA_K8S_TIMEOUT_S raises the limit",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"cannot reach the API server {self.host}: {clean(error, 200) or type(error).__name__}",
                retryable=True,
                hint="check the address in the kubeconfig, DNS, the network policy and the certificate authority",
            ) from error
        self.skew_s = _skew(response.headers.get("Date", ""), datetime.now(UTC))
        if response.status >= 300:
            raise _failure(response, data, request.path)
        return data


@dataclass(frozen=True)
class _Request:
    """One request; ``cap`` bytes of its body are read, more is cut off (``cut``) or an error."""

    method: Literal["GET", "POST"]
    path: str
    query: dict[str, str]
    accept: str
    cap: int
    cut: bool = False
    body: dict[str, Any] | None = None


async def _read(response: aiohttp.ClientResponse, request: _Request) -> bytes:
    """The body, never much more than ``cap`` bytes in memory."""
    cap = request.cap
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(65_536):
        parts.append(chunk)
        size += len(chunk)
        if size > cap:
            response.close()
            if request.cut:
                return b"".join(parts)[:cap]
            raise ToolFailure(
                "TOO_LARGE",
                f"the answer to GET {request.path} is larger than {cap:,} bytes",
                hint="narrow the request to one namespace; RCA_MAX_UPSTREAM_BYTES raises the limit",
            )
    return b"".join(parts)


def _skew(told: str, now: datetime) -> float | None:
    """Seconds by which an HTTP date is ahead of ``now``; ``None`` where there is no such date."""
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return None
    return (moment - now).total_seconds() if moment.tzinfo else None


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ToolFailure(
            "UPSTREAM", "the API server's answer is not JSON", hint="is there a proxy or a login page in front of it?"
        ) from error


def _failure(response: aiohttp.ClientResponse, body: bytes, path: str) -> StatusFailure:
    status = response.status
    said, kind = "", ""
    try:
        document = json.loads(body)
        if isinstance(document, dict):
            said, kind = clean(document.get("message"), 300), str(document.get("kind") or "")
    except (ValueError, RecursionError):
        said = ""
    code: ErrorCode = _CODES.get(status, "UNAVAILABLE" if status >= 500 else "UPSTREAM")
    hint = ""
    if code == "NOT_FOUND" and (kind != "Status" or "could not find the requested resource" in said):
        code, hint = "UNSUPPORTED", "the cluster does not offer this API"
    if code == "UNAUTHORIZED":
        hint = "the token or certificate is expired or unknown to this cluster; renew the credential"
    retry_after = None
    header = response.headers.get("Retry-After", "")
    if status in (429, 503) and header.isdigit():
        retry_after = min(float(header), 60.0)
    return StatusFailure(
        status,
        said,
        code,
        said or f"GET {path} was answered with HTTP {status}",
        hint=hint,
        retryable=code in ("UNAVAILABLE", "RATE_LIMITED"),
        retry_after_s=retry_after,
    )
