"""Clock, threads, queues and argument checks that the other packages use."""

# Also here: the other distribution replaces watlowlib/__init__.py, but it has no _internal.
from watlowlib import _installation  # noqa: F401
