"""`watlowlib serve`: show stored rows on a page; opens no serial port."""

from __future__ import annotations

import threading

import click

from watlowlib._internal.validation import masked
from watlowlib.cli.base import define
from watlowlib.cli.output import console
from watlowlib.cli.types import TCP_PORT
from watlowlib.sinks.reading.samples import read_samples
from watlowlib.views.web.page import DEFAULT_PORT, WebPage
from watlowlib.views.web.serving import DEFAULT_HOST
from watlowlib.views.web.stored import StoredFeed, stored_board


@define(
    "serve",
    short_help="Show stored rows on a page in a browser.",
    help="Serve a page with the latest values and the trends of the stored rows in SOURCE, until "
    "Ctrl-C. Rows that are added meanwhile appear on it. No serial port is opened. SOURCE is a "
    "file, a folder, a pattern such as 'data/ovens-*.csv', or postgresql://...",
    examples=(
        "watlowlib serve run.sqlite",
        "watlowlib serve 'data/*.parquet' --port 8081 --web-host 0.0.0.0",
    ),
)
@click.argument("source", metavar="SOURCE")
@click.option("--port", type=TCP_PORT, default=DEFAULT_PORT, metavar="PORT", help="[default: 8080]")
@click.option(
    "--web-host",
    "host",
    default=DEFAULT_HOST,
    metavar="HOST",
    help="The address to listen on. If other machines can reach it, the page has a token, "
    "which is printed.  [default: 127.0.0.1]",
)
@click.option("--table", default="samples", metavar="NAME", help="[default: samples]")
def command(source: str, port: int, host: str, table: str) -> None:
    """Serve the page until Ctrl-C."""
    read_samples(source, table=table)  # raises an error if there is no such source
    with WebPage(stored_board(masked(source)), host=host, port=port) as page:
        console().print(f"live page: {page.url}\nCtrl-C ends it")
        with StoredFeed(page, source, table):
            end = threading.Event()
            while not end.wait(1.0):
                pass
