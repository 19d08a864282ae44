"""Run the `watlowlib` command with `python -m watlowlib`."""

from watlowlib.cli.entry import main

main()
