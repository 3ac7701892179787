"""``python -m sandbox.workspace --port P``: the workspace alone, for a person or for an app under development."""

import argparse
import asyncio
import contextlib
import sys

from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace, serve


def _ready(workspace: Workspace) -> None:
    sys.stdout.write(
        f"page     {workspace.page_url}\napi      {workspace.api_url}\ntokens   {BOT_TOKEN} {APP_TOKEN} (any xoxb- and xapp- token)\n"
    )
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.workspace", description="A local Slack workspace.")
    parser.add_argument("--port", type=int, default=8085, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--no-rate-limits", action="store_true", help="never answer 429")
    parser.add_argument("--time-scale", type=float, default=1.0, help="scale of the redelivery delays (0.01 for tests)")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(
                serve(
                    port=options.port,
                    ready=_ready,
                    rate_limits=not options.no_rate_limits,
                    time_scale=options.time_scale,
                )
            )
        except OSError as error:
            sys.stderr.write(
                f"The workspace cannot listen on port {options.port}: {error.strerror}. Choose another --port.\n"
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
