"""Adapters for the official servers of other makers, one module a subject. Data only: who asks them is `bot.tools.capabilities_door`.

What comes in here is a foreign answer that the hub has already cleaned, bounded and redacted; what goes out has our own tools' shape. No
module here opens a connection or knows a playbook.
"""

from typing import Final

from bot.tools.adapters.databases import ADAPTERS as DATABASES
from bot.tools.adapters.kubernetes import ADAPTERS as KUBERNETES
from bot.tools.adapters.telemetry import ADAPTERS as TELEMETRY
from bot.tools.capabilities import Adapter

ADAPTERS: Final[tuple[Adapter, ...]] = (*KUBERNETES, *TELEMETRY, *DATABASES)
"""All adapters; of several for one capability the first whose tool is there answers."""
