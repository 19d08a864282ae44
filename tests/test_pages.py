"""The pages of the documentation: each example runs, and each name that they use exists."""

from __future__ import annotations

import ast
import builtins
import logging
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages

import pytest

import watlowlib
from tests.pages import DOCS, PAGES, ROOT, blocks, commands, lines, runnable
from watlowlib import WatlowManager, errors, load_rig, open_sink, pipe, record
from watlowlib.cli.main import COMMANDS
from watlowlib.devices import procedures
from watlowlib.errors import WatlowError

OWN_TESTS = {
    "decode.md": "cli/test_decode.py",
    "doctor.md": "diagnosis/test_page.py",
    "events.md": "sinks/test_events.py",
    "notebooks.md": "views/test_live_plot.py",
    "plots.md": "views/test_plot.py",
    "rig.md": "rig/test_load.py",
    "rotation.md": "sinks/rotation/test_sink.py",
    "scale.md": "sinks/postgres/test_partitions.py",
    "service.md": "service/test_server.py",
    "snapshots.md": "snapshots/test_page.py",
    "testing.md": "testing/test_page.py",
    "units.md": "test_units.py",
}
"""Pages whose Python blocks need more than a line, and the tests that run them."""

RIG = """
[ports.line1]
port = "{port}"
[controllers.oven_top]
port = "line1"
[record]
parameters = ["process_value"]
rate_hz = 5.0
duration = 0.5
"""

RUN_HERE = [page for page in PAGES if page.name not in OWN_TESTS]


def python_blocks(page: Path) -> list[str]:
    return [each.text for each in blocks(page) if each.kind == "python" and not each.not_run]


def needs_others(text: str) -> bool:
    """Whether a block needs another library that is not installed here."""
    names = re.findall(r"^(?:from|import) (pywatlow|watlow)\b", text, re.M)
    return any(find_spec(name) is None for name in names)


def write_recordings(port: str) -> None:
    """Write the files that the examples about reading data back read."""
    Path("data").mkdir()
    names = ("run.sqlite", "run.csv", "run.parquet", "data/ovens.parquet")
    with WatlowManager() as mgr, ExitStack() as stack:
        mgr.add("oven_top", port, address=1)
        sinks = [stack.enter_context(open_sink(name)) for name in names]
        with record(mgr, parameters=["process_value"], rate_hz=10.0, duration=0.3) as stream:
            pipe(stream, *sinks)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Undo what an example sets in `logging`."""
    root, wire = logging.getLogger(), logging.getLogger("watlowlib.wire")
    handlers, level = root.handlers[:], wire.level
    yield
    root.handlers[:] = handlers
    wire.setLevel(level)


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    "page", [page for page in RUN_HERE if python_blocks(page)], ids=lambda page: page.stem
)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procedures, "INTERVAL_S", 0.1)  # the ovens are a hundred times faster
    monkeypatch.setattr("minimalmodbus._serialports", {})  # an example uses it by itself
    monkeypatch.chdir(tmp_path)
    if any(".wide()" in text for text in python_blocks(page)):
        pytest.importorskip("pandas")
        pytest.importorskip("matplotlib").use("Agg")
    names: dict[str, object] = {"__name__": "example"}  # later blocks continue earlier ones
    with lines(page) as ports:
        if page.stem == "reading":
            write_recordings(ports["/dev/ttyUSB1"])
        if page.stem == "rules":
            (rules,) = [each.text for each in blocks(page) if each.kind == "toml"]
            Path("rig.toml").write_text(RIG.format(port=ports["/dev/ttyUSB0"]) + rules, "utf-8")
        for block in blocks(page):
            if block.kind == "python" and not block.not_run and not needs_others(block.text):
                # As many lines before it as on the page, for tracebacks.
                text = "\n" * block.line + runnable(block.text, ports)
                exec(compile(text, str(page), "exec"), names)


@pytest.mark.parametrize(("page", "test"), OWN_TESTS.items())
def test_a_page_with_tests_of_its_own_is_read_by_them(page: str, test: str) -> None:
    assert page in (ROOT / "tests" / test).read_text("utf-8")
    assert python_blocks(DOCS / page) or page == "decode.md"


def test_a_block_that_is_not_run_says_why() -> None:
    for page in PAGES:
        for block in blocks(page):
            assert not block.not_run or len(block.not_run.split()) > 2, (page.name, block.line)


@pytest.mark.parametrize("page", [each for each in PAGES if commands(each)], ids=lambda p: p.stem)
def test_the_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command.replace("...", ""), posix=True)[1:]
        words = [word for word in words if not re.fullmatch(r"-v+", word)]
        if not words or words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, command
        found = import_module(f"watlowlib.cli.{words[0]}").command
        known = {option for each in found.params for option in (*each.opts, *each.secondary_opts)}
        used = {word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)}
        assert used <= known | {"--help"}, command


def test_rig_files_of_the_pages_have_no_unknown_key(tmp_path: Path) -> None:
    for page in PAGES:
        for number, block in enumerate(blocks(page)):
            if block.kind == "toml" and not block.not_run:
                path = tmp_path / f"{page.stem}{number}.toml"
                path.write_text(block.text.replace("${USER}", "Kim"), "utf-8")
                load_rig(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_files_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)\s#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_table_of_contents() -> None:
    named = set(re.findall(r"^(\w+)$", (DOCS / "index.md").read_text("utf-8"), re.M))
    assert {page.stem for page in DOCS.glob("*.md")} - {"index"} == named


def test_the_pages_name_every_status_of_a_row() -> None:
    listed = (DOCS / "recording.md").read_text("utf-8").partition("## One row is one read")[2]
    named = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (.*?) \|", listed, re.M))))
    kinds = {each.status for each in all_errors(WatlowError)}
    # Errors of a call, not of a read.
    kinds -= {"error", "configuration", "write", "sink", "process", "replay"}
    own = {"ok", "sensor_error", "sensor_unknown", "stopped"}
    assert kinds | own <= named
    assert named - kinds - own <= {"status"} | {"block", "drop_oldest", "drop_newest", "overflow"}


def all_errors(kind: type[WatlowError]) -> set[type[WatlowError]]:
    """Return an error and all its subclasses."""
    return {kind}.union(*(all_errors(each) for each in kind.__subclasses__()))


def test_the_classes_that_the_pages_name_exist() -> None:
    known = {
        name
        for info in walk_packages(watlowlib.__path__, "watlowlib.")
        if "__main__" not in info.name
        for name in vars(import_module(info.name))
    }
    for page in PAGES:
        if page.stem in ("old_scripts", "changelog", "labview"):
            continue  # they name what other programs have, or what earlier versions had
        text = page.read_text("utf-8")
        named = set(re.findall(r"`(Watlow\w+|\w+Sink|\w+Error|\w+Config)\b", text))
        builtin = {name for name in named if hasattr(builtins, name)}
        assert named - builtin <= known, page.name


def test_the_words_of_errors_are_those_of_the_package() -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    words = re.findall(r'^\| "(.+?)"', page, re.M)
    texts = [
        node.value
        for path in Path(watlowlib.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(words) > 40
    assert [each for each in words if not any(each in text for text in texts)] == []


def test_every_public_name_has_an_example() -> None:
    """Except the errors and warnings that only scripts for another library name."""
    text = "".join(each for page in PAGES for each in python_blocks(page))
    text += "".join(each.text for each in blocks(DOCS / "reference.md") if each.kind == "python")
    only_names = {
        name
        for name, error in vars(errors).items()
        if isinstance(error, type) and (error.__doc__ or "").startswith("Never")
    }
    aliases = {
        name for name, error in vars(errors).items() if getattr(error, "__name__", name) != name
    }
    modbus = {name for name in watlowlib.__all__ if name.startswith("WatlowModbus")}
    left = set(watlowlib.__all__) - only_names - aliases - modbus
    assert {name for name in left if not re.search(rf"\b{name}\b", text)} == set()
