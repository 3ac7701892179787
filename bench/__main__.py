"""Run the named benchmarks (all by default) and print a table: figure, limit, held or not. Exit code 1 when one is not held."""

import asyncio
import importlib
import sys
import traceback

from bot.observe import logs

ALL = (
    *("engine", "startup", "first_sign", "memory", "install_size"),
    *("hub_call", "log_mining", "tool_answers", "find_unhealthy", "alert_parsing"),
    *("storm", "routing", "crowd"),
)


def main() -> int:
    logs.configure("ERROR")
    names = sys.argv[1:] or list(ALL)
    held = True
    print(f"{'what':62} {'figure':>12} {'limit':>10}")
    for name in names:
        module = importlib.import_module(f"bench.{name}")
        try:
            figures = asyncio.run(module.measure())
        except Exception:  # one broken benchmark must not hide the others
            traceback.print_exc()
            held = False
            continue
        for figure in figures:
            ok = figure.value <= figure.limit
            held = held and ok
            print(
                f"{figure.what:62} {figure.value:9.2f} {figure.unit:2} {figure.limit:7.2f} {figure.unit:2} {'' if ok else '  NOT HELD'}"
            )
            if figure.detail:
                print(f"    {figure.detail}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
