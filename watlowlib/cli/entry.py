"""The entry of the command: Ctrl-C during the imports ends it without a traceback.

The imports of the command take some tenths of a second. Python would print a traceback for Ctrl-C
during this time, and again while it shuts down. Therefore handlers that end the process at once
are set before anything else is imported; `watlowlib.cli.signals` replaces them while a command
runs.
"""

import sys

from watlowlib.cli.quiet import end_on_signals


def main() -> None:
    """Run the command and exit with its code."""
    end_on_signals()
    from watlowlib.cli.main import main

    sys.exit(main())
