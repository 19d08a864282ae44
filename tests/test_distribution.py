"""The distribution: its name, its extras, and what it says when something is missing."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import watlowlib
from watlowlib._internal.optional import REQUIREMENTS, import_optional
from watlowlib.errors import WatlowSinkError

PACKAGE = Path(watlowlib.__file__).parent
ROOT = Path(__file__).parents[1]
PATIENCE_S = 60


def setup_options() -> configparser.ConfigParser:
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", "utf-8")
    return options


def extra(name: str) -> set[str]:
    """Return the packages of an extra, without versions."""
    lines = setup_options()["options.extras_require"][name].split("\n")
    return {re.split(r"[ ;<>=]", line)[0] for line in lines if line}


def optional_modules() -> set[str]:
    """Return every module that the package passes to `import_optional`."""
    return {
        str(node.args[0].value)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "import_optional"
        and isinstance(node.args[0], ast.Constant)
    }


def test_the_distribution_does_not_have_the_name_of_another_library() -> None:
    assert setup_options()["metadata"]["name"] == "watlowlib-threaded"


def test_the_extra_all_has_every_user_extra() -> None:
    development = {"test", "judges", "docs", "lint", "all"}
    user_extras = set(setup_options()["options.extras_require"]) - development
    assert user_extras == {
        "metrics", "parquet", "postgres", "pandas", "plot", "polars", "web", "xlsx",
    }  # fmt: skip
    assert set().union(*map(extra, user_extras)) == extra("all")


def test_each_optional_package_is_in_an_extra() -> None:
    packages = {module.split(".")[0] for module in optional_modules()}
    assert packages == set(REQUIREMENTS)
    assert {requirement.strip("'") for requirement in REQUIREMENTS.values()} == extra("all")


@pytest.mark.parametrize("module", sorted(optional_modules()))
def test_hint_names_the_missing_package_itself(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = module.split(".")[0]
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # what an import of a missing package finds
    with pytest.raises(WatlowSinkError) as caught:
        import_optional(module)
    _, _, requirement = str(caught.value).partition("pip install ")
    other_names = {"dateutil": "python-dateutil", "prometheus_client": "prometheus-client"}
    installed_as = other_names.get(package, package)
    assert re.split(r"[\[\]']+", requirement.strip("'"))[0] == installed_as
    assert "watlowlib" not in requirement


def run_with_path(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with `folder` first in the import path."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{script}"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=folder,
    )


@pytest.fixture
def overwritten(tmp_path: Path) -> Path:
    """A folder with this package and the metadata of the other distribution."""
    shutil.copytree(PACKAGE, tmp_path / "watlowlib")
    (tmp_path / "watlowlib-0.8.1.dist-info").mkdir()
    return tmp_path


def test_import_refuses_files_of_the_other_distribution(overwritten: Path) -> None:
    done = run_with_path("import watlowlib", overwritten)
    assert done.returncode == 1
    assert "ImportError: the distribution 'watlowlib' is another library" in done.stderr
    assert "pip uninstall watlowlib" in done.stderr


def test_import_refuses_files_of_the_other_distribution_that_replaced_ours(
    overwritten: Path,
) -> None:
    (overwritten / "watlowlib" / "__init__.py").write_text("from watlowlib import manager\n")
    done = run_with_path("import watlowlib", overwritten)
    assert done.returncode == 1
    assert "pip uninstall watlowlib" in done.stderr


def test_the_metadata_of_this_distribution_is_accepted(overwritten: Path) -> None:
    other = overwritten / "watlowlib-0.8.1.dist-info"
    other.rename(overwritten / "watlowlib_threaded-0.1.0.dist-info")
    done = run_with_path("import watlowlib; print(watlowlib.__file__)", overwritten)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(overwritten))


def test_nothing_is_printed_without_a_logging_configuration() -> None:
    script = (
        "from watlowlib import open_device\nfrom watlowlib.devices.eeprom import EepromCounter\n"
        "counter = EepromCounter()\nfor n in range(200):\n    counter.note('oven', now_s=n)\n"
    )
    done = run_with_path(script, ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
