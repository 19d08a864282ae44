"""The tests on each supported Python that is found here.

nox                          # on all of them
nox -s sdist wheel           # the distributions, each in a fresh environment
nox -s reference             # old scripts beside the library that they were written for
nox -s tests-3.12 -- -k sync # on one, with arguments for pytest
"""

import shutil
import tarfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests"]


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the whole suite, other people's drivers included."""
    session.install("--quiet", "--editable", ".[test,judges]")
    session.run("python", "-m", "pytest", *(session.posargs or ["-n", "6"]))


@nox.session(python="3.13")
def reference(session: nox.Session) -> None:
    """Run old scripts here and with the library that they were written for."""
    session.install("--quiet", "--editable", ".[test]")
    session.run("python", "-m", "pytest", "-m", "reference", *session.posargs)


def build(session: nox.Session, kind: str) -> Path:
    """Return the path of a new source distribution ("sdist") or "wheel"."""
    folder = Path(session.create_tmp()) / "dist"
    session.install("--quiet", "build")
    session.run("python", "-m", "build", f"--{kind}", "--outdir", str(folder), silent=True)
    return max(folder.iterdir(), key=lambda path: path.stat().st_mtime)


@nox.session
def sdist(session: nox.Session) -> None:
    """Install the source distribution and run those of its tests that need the most files."""
    archive = build(session, "sdist")
    # pip keeps the wheel that it builds by the path of the archive, which stays the same.
    requirement = f"watlowlib-threaded[test] @ {archive.resolve().as_uri()}"
    session.install("--quiet", "--no-cache-dir", requirement)
    with tarfile.open(archive) as files:
        files.extractall(archive.parent, filter="data")
    source = archive.with_name(archive.name.removesuffix(".tar.gz"))
    shutil.rmtree(source / "watlowlib")  # test the installed package
    session.chdir(source)
    folders = ["tests/registry", "tests/rig", "tests/cli", "tests/sync", "tests/test_import.py"]
    session.run("python", "-m", "pytest", "-n", "6", *(session.posargs or folders))


@nox.session
def wheel(session: nox.Session) -> None:
    """Install the wheel without extras, and record a simulated fleet."""
    session.install("--quiet", str(build(session, "wheel")))
    session.chdir(session.create_tmp())
    session.run("watlowlib", "record", "--simulate", "2", "--duration", "2", "-o", "run.sqlite")
    session.run("watlowlib", "recover", "run.sqlite")
