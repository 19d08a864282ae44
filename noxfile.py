"""The tests on each supported Python that is found here.

nox                          # on all of them
nox -s tests-3.12 -- -k sync # on one, with arguments for pytest
"""

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the whole suite, other people's drivers included."""
    session.install("--quiet", "--editable", ".[test,judges]")
    session.run("python", "-m", "pytest", *(session.posargs or ["-n", "4"]))
