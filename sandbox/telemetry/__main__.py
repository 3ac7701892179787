"""``python -m sandbox.telemetry FOLDER|SCENARIO [--port P]``: prints the store's URL when it is ready."""

import argparse

from sandbox.telemetry.serve import serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m sandbox.telemetry", description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--port", type=int, default=8123, help="0 takes a free one")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when the parent goes")
    arguments = parser.parse_args()
    raise SystemExit(serve(arguments.source, arguments.port, until_stdin_ends=arguments.until_stdin_ends))
