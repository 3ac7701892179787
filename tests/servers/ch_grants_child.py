"""A child process: one embedded engine whose only user has given grants, asked one statement after another. JSON in, JSON out.

``{"path": folder, "config": file, "asked": [[statement, {parameter: value}], ...]}`` gives a list of "" or the error's text, in that order.
"""

import json
import os
import sys

import chdb


def main() -> None:
    given = json.load(sys.stdin)
    keeper = chdb.connect(f"{given['path']}?config-file={given['config']}")
    said = []
    for statement, parameters in given["asked"]:
        connection = chdb.connect(given["path"])
        try:
            for name, value in parameters.items():
                connection.query(f"SET param_{name} = '{value}'")
            connection.query(statement, "Null")
            said.append("")
        except RuntimeError as error:
            said.append(str(error)[:400])
        finally:
            connection.close()
    keeper.close()
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(0)  # the engine's own threads may hold an ordinary exit for seconds


main()
