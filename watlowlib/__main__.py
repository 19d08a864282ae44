"""Run the `watlowlib` command with `python -m watlowlib`."""

import sys

from watlowlib.cli.main import main

sys.exit(main())
