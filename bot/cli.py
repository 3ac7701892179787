"""``rca``: the command line. Only names, arguments and help live here; each command's work is in `bot.commands`, imported when called."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="rca",
    help="Root-cause bot for on-call engineers: alert in Slack, read-only investigation, verdict with evidence in its thread.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
playbooks_app = typer.Typer(help="Look at playbooks, check them, run their tests.", no_args_is_help=True)
sandbox_app = typer.Typer(help="Start one stand-in alone, for development.", no_args_is_help=True)
app.add_typer(playbooks_app, name="playbooks")
app.add_typer(sandbox_app, name="sandbox")


class Output(StrEnum):
    text = "text"
    json = "json"
    md = "md"


Config = Annotated[
    Path | None, typer.Option("--config", help="rca.yaml to read (default: $RCA_CONFIG, then ./rca.yaml).")
]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Read one JSON value a line from standard input, write one a line.")
]


def _version(value: bool) -> None:
    if value:
        from bot import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of all commands."""
    from bot.observe import logs

    logs.configure(None if os.environ.get("RCA_LOG_LEVEL") else "WARNING")


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Print the finished thread as text and exit.")] = False,
    scenario: Annotated[
        str, typer.Option(help="The recorded incident: checkout-config, oom or healthy.")
    ] = "checkout-config",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    port: Annotated[int, typer.Option(help="The page's port; 0 takes a free one.")] = 0,
) -> None:
    """Show the main job here and now: a local workspace, a recorded cluster with a fault, the bot. No account needed."""
    from bot.commands import demo as command

    raise typer.Exit(command.run(once=once, scenario=scenario, browser=not no_browser and not once, port=port))


@app.command()
def run(config: Config = None) -> None:
    """Start the bot on a real workspace (SLACK_BOT_TOKEN, SLACK_APP_TOKEN)."""
    from bot.commands import serve as command

    raise typer.Exit(command.run(config))


@app.command()
def investigate(
    alert: Annotated[
        Path,
        typer.Argument(help="A Slack message, an Alertmanager webhook or an Alert as JSON; - reads standard input."),
    ],
    output: Annotated[Output, typer.Option(help="text shows live progress on a terminal.")] = Output.text,
    playbook: Annotated[str, typer.Option(help="Use this playbook instead of matching one.")] = "",
    record: Annotated[
        Path | None, typer.Option(help="Leave a redacted recording for `rca replay` in this folder.")
    ] = None,
    config: Config = None,
) -> None:
    """Investigate one alert without Slack."""
    from bot.commands import investigate as command

    raise typer.Exit(command.run(alert, output.value, playbook, config, record))


@app.command()
def replay(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, folders of them, or a part of a name in record_dir; default: all of it."),
    ] = None,
    output: Annotated[Output, typer.Option(help="text is a table.")] = Output.text,
    config: Config = None,
) -> None:
    """Investigate recorded alerts again with today's playbooks and show what changed; exit code 1 when a confirmed verdict flipped."""
    from bot.commands import replay as command

    raise typer.Exit(command.run(recordings or [], output.value, config))


@app.command()
def parse(jsonl: Jsonl = False) -> None:
    """Parse messages into alerts: JSON in, JSON out; a bad line gives {"error": ...} and the filter goes on."""
    from bot.alerts.jsonl import parse_line
    from bot.commands.jsonl import filter_lines

    raise typer.Exit(filter_lines(parse_line, jsonl=jsonl))


@app.command()
def route(jsonl: Jsonl = False, config: Config = None) -> None:
    """Say which playbook fits an alert, and why."""
    from bot.commands import route as command

    raise typer.Exit(command.run(jsonl, config))


@app.command()
def doctor(config: Config = None) -> None:
    """Check tokens, scopes, channels, servers, permissions, model and store; say what to do about what does not work."""
    from bot.commands import doctor as command

    raise typer.Exit(command.run(config))


@app.command()
def tools(
    output: Annotated[Output, typer.Option(help="text is a table for a terminal.")] = Output.text,
    pins: Annotated[bool, typer.Option("--pins", help="Print the pins of all admitted tools, for rca.yaml.")] = False,
    config: Config = None,
) -> None:
    """List the tools of all configured servers: what each is for, what its definition costs a model, why one is not called."""
    from bot.commands import tools as command

    raise typer.Exit(command.run(config, output.value, pins=pins))


@playbooks_app.command("list")
def playbooks_list(config: Config = None) -> None:
    """The playbooks that are loaded."""
    from bot.commands import playbooks as command

    raise typer.Exit(command.list_all(config))


@playbooks_app.command("show")
def playbooks_show(playbook: str, config: Config = None) -> None:
    """One playbook: what it matches, its steps and how they depend on each other, its findings."""
    from bot.commands import playbooks as command

    raise typer.Exit(command.show(playbook, config))


@playbooks_app.command("lint")
def playbooks_lint(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; default: what the configuration names.")
    ] = None,
    config: Config = None,
) -> None:
    """Check playbooks against the schema and the live inventory of tools."""
    from bot.commands import playbooks as command

    raise typer.Exit(command.lint(paths or [], config))


@playbooks_app.command("test")
def playbooks_test(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; default: what the configuration names.")
    ] = None,
    config: Config = None,
) -> None:
    """Run the tests that stand in the playbooks; no server, no model."""
    from bot.commands import playbooks as command

    raise typer.Exit(command.test(paths or [], config))


@playbooks_app.command("new")
def playbooks_new(
    source: Annotated[
        str,
        typer.Argument(
            help="A name, or a file with an alert (any message or webhook) or a Prometheus rule; - reads standard input."
        ),
    ],
    to: Annotated[Path | None, typer.Option("--to", help="Folder or file to write; default: print it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented starter with tests that pass; asks nothing."""
    from bot.commands import playbooks_new as command

    raise typer.Exit(command.run(source, to, force=force))


@playbooks_app.command("schema")
def playbooks_schema() -> None:
    """The JSON schema of a playbook, for editors."""
    from bot.commands import playbooks as command

    raise typer.Exit(command.schema())


@sandbox_app.command("workspace")
def sandbox_workspace(port: int = 0) -> None:
    """The Slack stand-in with its page."""
    from bot.commands import sandbox as command

    raise typer.Exit(command.workspace(port))


@sandbox_app.command("cluster")
def sandbox_cluster(
    folder: Annotated[Path | None, typer.Argument(help="A recorded cluster; default: the demo's.")] = None,
    port: int = 0,
) -> None:
    """A recorded cluster behind the read half of the Kubernetes API; prints a kubeconfig's path."""
    from bot.commands import sandbox as command

    raise typer.Exit(command.cluster(folder, port))


@sandbox_app.command("clickhouse")
def sandbox_clickhouse(
    telemetry: Annotated[
        str, typer.Option(help="A folder with recorded logs, spans and metrics, or the name of a generated hour.")
    ] = "error-burst",
    port: int = 0,
) -> None:
    """SigNoz's store on the embedded ClickHouse engine, filled with telemetry; prints its URL when it is ready."""
    from bot.commands import sandbox as command

    raise typer.Exit(command.clickhouse(telemetry, port))


@sandbox_app.command("model")
def sandbox_model(script: str = "good", port: int = 0) -> None:
    """A scripted model behind the OpenAI API."""
    from bot.commands import sandbox as command

    raise typer.Exit(command.model(script, port))


def main() -> None:
    """Entry point of the ``rca`` script. Errors that a person can act on are one line, not a traceback."""
    try:
        app()
    except Exception as error:
        from bot.settings import SettingsError

        if not isinstance(error, SettingsError):
            raise
        print(f"rca: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
