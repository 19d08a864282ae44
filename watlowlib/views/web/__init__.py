"""The live page: a web server that shows a running recording or stored rows.

`live.py` or `stored.py` puts points into a `Board`, which has the latest value and the trend of
each series. After each tick the state of the board is written as JSON once, and a `Hub` gives
the same bytes to every viewer. `server.py` has one thread for each connection; `guard.py` checks
every request before `app.py` replies to it. `static/` has the page, which needs no library.
"""
