"""The page about the command has the help of every subcommand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watlowlib.cli.main import COMMANDS, main

PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"## watlowlib (\w+)\n\n```text\n(.*?)```", PAGE, re.DOTALL))


def test_the_page_has_all_subcommands_in_order() -> None:
    assert tuple(SECTIONS) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_help_of_a_subcommand(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    # The lines depend on the width of the terminal.
    assert SECTIONS[name].split() == capsys.readouterr().out.split(), "copy the help to the page"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_subcommand_ends_with_two_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    examples = capsys.readouterr().out.partition("Examples:\n")[2].splitlines()
    assert len(examples) == 2
    for example in examples:
        assert re.match(rf"  watlowlib {name}\b", example)
