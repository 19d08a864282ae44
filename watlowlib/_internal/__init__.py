"""Clock, threads, queues and argument checks that the other packages use."""

import logging

# Also here: the other distribution replaces watlowlib/__init__.py, but it has no _internal.
from watlowlib import _installation  # noqa: F401

# Not in watlowlib/__init__.py: importing logging would double the time of `import watlowlib`.
logging.getLogger("watlowlib").addHandler(logging.NullHandler())
