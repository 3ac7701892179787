"""Lets the tests of this folder import `attacker_kit`, which lies beside them (pytest's importlib mode adds no paths)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
