"""One module a command of ``rca``. `bot.cli` imports each only when it is called, so that ``rca --help`` stays quick."""
