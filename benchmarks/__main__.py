"""All benchmarks, one after the other: `python -m benchmarks`; see `suite.py`."""

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # the benchmarks import each other as scripts do
runpy.run_path(str(FOLDER / "suite.py"), run_name="__main__")
