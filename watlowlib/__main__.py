"""`python -m watlowlib` is the `watlowlib` command."""

import sys

from watlowlib.cli.main import main

sys.exit(main())
