"""A local server with OpenAI's chat completions API (also under Azure's paths) whose answers follow a script.

`ScriptedModel("429,429,good")` refuses twice, then answers; the last script repeats. Requests are recorded, keys are not.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from sandbox.model.scripts import SCRIPTS, Request, Say

MAX_BODY: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Recorded:
    """One request: where it went, what it asked, when (seconds since the start)."""

    path: str
    body: dict[str, Any]
    at: float

    @property
    def tool_names(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]

    @property
    def prompt(self) -> str:
        return "\n".join(str(m.get("content") or "") for m in self.body.get("messages") or [])


@dataclass
class ScriptedModel:
    """One server. ``script`` names a script of `sandbox.model.scripts`, or several separated by commas, one a request."""

    script: str = "good"
    host: str = "127.0.0.1"
    port: int = 0
    by_model: dict[str, str] = field(default_factory=dict)  # model or deployment name -> its own script
    requests: list[Recorded] = field(default_factory=list)
    _runner: web.AppRunner | None = None
    _hanging: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: dict[str, int] = field(default_factory=dict)
    _began: float = 0.0

    async def start(self) -> str:
        """Listen; gives the base URL (``…/v1``). Raises `ValueError` for an unknown script, `OSError` for a port in use."""
        for name in (*self.script.split(","), *(s for text in self.by_model.values() for s in text.split(","))):
            if name not in SCRIPTS:
                raise ValueError(f"no script is called {name!r}; there are {', '.join(SCRIPTS)}")
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/openai/deployments/{deployment}/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._began = time.monotonic()
        return self.base_url

    async def stop(self) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def base_url(self) -> str:
        """For ``OPENAI_BASE_URL``."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def azure_endpoint(self) -> str:
        """For ``AZURE_OPENAI_ENDPOINT``."""
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> "ScriptedModel":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "sandbox"}]}
        )

    async def _complete(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            return _error(400, "the body is no JSON")
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            return _error(400, "'messages' is a required property")
        if not (request.headers.get("Authorization") or request.headers.get("api-key")):
            return _error(401, "no key was given")
        if body.get("stream"):
            return _error(400, "this scripted model does not stream")
        self.requests.append(Recorded(request.path, body, time.monotonic() - self._began))
        model = request.match_info.get("deployment") or str(body.get("model") or "scripted")
        say = self._next(model)(Request.of(body))
        if say.hang:
            await self._hanging.wait()
        if say.delay_s:
            await asyncio.sleep(say.delay_s)
        if say.status != 200:
            return _error(say.status, say.text, {"Retry-After": say.retry_after} if say.retry_after else {})
        return web.json_response(_completion(say, model, body))

    def _next(self, model: str) -> Any:
        names = self.by_model.get(model, self.script).split(",")
        turn = self._turns.get(model, 0)
        self._turns[model] = turn + 1
        return SCRIPTS[names[min(turn, len(names) - 1)]]


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    kind = {401: "invalid_request_error", 429: "rate_limit_error"}.get(status, "server_error")
    payload = {"error": {"message": message, "type": kind, "code": str(status)}}
    return web.json_response(payload, status=status, headers=headers)


def _completion(say: Say, model: str, body: dict[str, Any]) -> dict[str, Any]:
    """A ``chat.completion`` object. Tokens are counted as four bytes each: near enough, and the same every time."""
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None, "refusal": None}
    if say.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{n}_{time.monotonic_ns()}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for n, (name, arguments) in enumerate(say.calls)
        ]
    prompt = len(json.dumps(body)) // 4
    answer = len(json.dumps(message)) // 4
    return {
        "id": f"chatcmpl-{time.monotonic_ns()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if say.calls else "stop"}
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
    }
