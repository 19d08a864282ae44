"""Rules that act on what is recorded; see `docs/rules.md`.

`condition.py` parses a condition and `state.py` evaluates it, without threads and clocks.
`rules.py` evaluates all rules of a recording in a thread, which starts commands (`command.py`) and
writes.
"""
