"""The systemd unit of a service."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from watlowlib import load_rig
from watlowlib.cli.main import main
from watlowlib.errors import WatlowConfigurationError
from watlowlib.service.notify import watchdog_s
from watlowlib.service.unit import Unit

if sys.platform != "linux":
    pytest.skip("no systemd", allow_module_level=True)


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "systemd" / "user"


def settings(text: str) -> dict[str, str]:
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize("run_as", [None, "daemon"])
def test_systemd_accepts_the_unit(rig_file: RigFile, tmp_path: Path, run_as: str | None) -> None:
    unit = Unit(load_rig(rig_file.path), "rig", run_as)
    found = settings(unit.text())
    assert (found["Type"], found["SuccessExitStatus"]) == ("notify", "143")
    assert found["WorkingDirectory"] == "/"  # `python -m` imports from there first
    assert int(found["WatchdogSec"]) == watchdog_s(unit.rig)
    assert ("ProtectSystem" in found) is (run_as is not None)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    file = tmp_path / unit.file_name
    file.write_text(unit.text(), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_paths_are_quoted(rig_file: RigFile) -> None:
    path = rig_file.folder / 'a "b" 50% $HOME \\ é.toml'
    rig_file.path.rename(path)
    text = Unit(load_rig(path), "rig", "daemon", python="/opt/py thon").text()
    folder = rig_file.folder
    file = f'"{folder}/a \\"b\\" 50%% $$HOME \\\\ é.toml"'
    line = f'"/opt/py thon" "-m" "watlowlib" "run" {file} "--service"'
    assert settings(text)["ExecStart"] == line
    assert settings(text)["ReadWritePaths"] == f'"{folder}"'


def test_a_unit_is_installed_replaced_and_removed(
    rig_file: RigFile, config_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(rig_file.path), "--user"]
    file = config_folder / "watlowlib-rig.service"
    assert main(["service", "install", *words, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert not config_folder.exists()
    assert main(["service", "install", *words]) == 0
    assert f"systemctl --user enable --now {file.name}" in capsys.readouterr().out
    assert printed == f"# {file}\n{file.read_text()}"
    assert main(["service", "install", *words]) == 0
    wanted = config_folder / "default.target.wants" / file.name
    wanted.parent.mkdir()
    wanted.symlink_to(file)
    assert main(["service", "uninstall", *words]) == 0
    assert not file.exists()
    assert not wanted.is_symlink()
    assert main(["service", "uninstall", *words]) == 2
    assert main(["service", "status", *words]) == 1
    assert f"{file}: not installed" in capsys.readouterr().out


def test_a_unit_serves_metrics_on_request(
    rig_file: RigFile, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("prometheus_client")
    pytest.importorskip("cheroot")
    words = ["service", "install", str(rig_file.path), "--user", "--dry-run"]
    assert main([*words, "--metrics", "9187"]) == 0
    assert settings(capsys.readouterr().out)["ExecStart"].endswith(
        '"run" ' + f'"{rig_file.path}" "--service" "--metrics" "9187" "--metrics-host" "127.0.0.1"'
    )
    assert main(["service", "status", str(rig_file.path), "--user", "--metrics", "9187"]) == 2
    assert "--metrics is for install" in capsys.readouterr().err


@pytest.mark.parametrize("first", ["[Unit]", "# Written by watlowlib. Rig file: /other.toml"])
def test_a_unit_that_is_not_ours_is_not_touched(
    rig_file: RigFile, config_folder: Path, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config_folder.mkdir(parents=True)
    file = config_folder / "watlowlib-rig.service"
    file.write_text(f"{first}\nDescription=mine\n")
    for action in ("install", "uninstall"):
        assert main(["service", action, str(rig_file.path), "--user"]) == 2
        assert "another --name" in capsys.readouterr().err
    assert file.read_text() == f"{first}\nDescription=mine\n"


@pytest.mark.parametrize(
    ("name", "user"), [("../x", None), ("..", None), ("x", "a b"), ("x", "a\nExecStart=b")]
)
def test_a_name_with_other_characters_is_refused(
    name: str, user: str | None, rig_file: RigFile
) -> None:
    with pytest.raises(WatlowConfigurationError, match="letters, digits"):
        Unit(load_rig(rig_file.path), name, user)
