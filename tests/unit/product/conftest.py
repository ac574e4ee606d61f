from __future__ import annotations

import sys
from pathlib import Path

PRODUCT = Path(__file__).parents[3] / "examples" / "supercog"
sys.path[:0] = [str(PRODUCT / part) for part in ("shared", "engine", "dashboard")]
