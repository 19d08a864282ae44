"""The rules of a rig file, and the problems that are found in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watlowlib import Rule, RuleWrite, WatlowConfigurationError, load_rig
from watlowlib.manager.rig_check import check_rig

RIG = """
[ports.line]
port = "./line"
temperature_unit = "F"
[controllers.top]
port = "line"
[controllers."oven 2"]
port = "line"
address = 2
[record]
rates = { process_value = 2.0, "7001" = 0.5 }
instances = [1]
alarms = 0.2
"""
RULE = '[[rules]]\nname = "{}"\nwhen = {}\n'
PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def problems_of(folder: Path, rules: str) -> list[str]:
    file = folder / "rig.toml"
    file.write_text(RIG + rules, "utf-8")
    with pytest.raises(WatlowConfigurationError) as caught:
        load_rig(file)
    return [each.removeprefix(f"{file}: ") for each in str(caught.value).split("\n")]


def test_the_rules_of_a_file_are_frozen_values(tmp_path: Path) -> None:
    file = tmp_path / "rig.toml"
    rules = """
[[rules]]
name = "hot"
when = "top.pv > 250 for 10 s"
command = ["./page", "{device}"]
write = { device = "oven 2", parameter = "sp", value = 25.0, confirm = true }
[[rules]]
name = "alarm"
when = '"oven 2".alarm_state:4 == 7'
event = "text"
timeout = 5
[[rules]]
name = "limit"
when = "top.limit_state == 51"
"""
    file.write_text(RIG.replace("alarms", 'show_unit = "C"\nalarms') + rules, "utf-8")
    rig = load_rig(file)
    assert rig.rules == (
        Rule(
            "hot", "top.pv > 250 for 10 s", command=(str(tmp_path / "page"), "{device}"),
            write=RuleWrite("oven 2", "sp", 25.0, 1, "C"), folder=tmp_path,
        ),
        Rule("alarm", '"oven 2".alarm_state:4 == 7', "text", timeout=5.0, folder=tmp_path),
        Rule("limit", "top.limit_state == 51", folder=tmp_path),
    )  # fmt: skip
    assert len({*rig.rules}) == 3


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("tpo.pv > 1", "there is no controller 'tpo'; did you mean 'top'?"),
        ("top.proces_value > 1", "did you mean 'process_value'"),
        ("top.output_power > 1", "output_power is not recorded; add it to record.parameters or"),
        ("top.pv:2 > 1", "instance 2 of process_value is not recorded; add it to record.instances"),
        ("top.alarm_state:9 == 7", "alarm_state has instances 1 to"),
        ("top.pv > 1 for 10 sec", "for '10 sec': give a time such as 500 ms, 10 s, 5 min or 2 h"),
        ("top.pv > warm", "'warm' is not a number"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_a_problem(
    tmp_path: Path, when: str, problem: str
) -> None:
    (found,) = problems_of(tmp_path, RULE.format("a", f"'{when}'"))
    assert found.startswith(f"rules[0].when='{when}': ")
    assert problem in found


def test_problems_have_the_place_of_their_rule(tmp_path: Path) -> None:
    good = "'top.pv > 1'"
    rules = [
        '[[rules]]\nname = "no condition"\n',
        RULE.format("good", good) + "timout = 3\n",
        RULE.format("twice", good),
        RULE.format("twice", good) + 'command = ["page", "{vlaue}"]\n',
        RULE.format("text", good) + 'command = "page me"\ntimeout = 90\n',
        RULE.format("unconfirmed", good)
        + 'write = { device = "top", parameter = "sp", value = 25.0 }\n',
        RULE.format("false", good)
        + 'write = { device = "top", parameter = "sp", value = 25.0, confirm = false }\n',
        RULE.format("device", good)
        + 'write = { device = "oven", parameter = "sp", value = 25.0, confirm = true }\n',
        RULE.format("range", good)
        + 'write = { device = "top", parameter = "sp", value = 1e9, confirm = true }\n',
        RULE.format("address", good)
        + 'write = { device = "top", parameter = 17009, value = 1, confirm = true }\n',
    ]
    found = problems_of(tmp_path, "".join(rules))
    expected = [
        r"rules\[0\].when is missing: give a condition such as",
        r"rules\[1\].timout: unknown key; did you mean 'timeout'\?",
        r"rules\[4\].command='page me': give a list of texts",
        r"rules\[4\].timeout=90: give a number of seconds above 0, up to 60",
        r"rules\[5\].write.confirm is missing: give true",
        r"rules\[6\].write.confirm=false: give true",
        r"rules\[3\].name='twice': is also the name of rules\[2\]",
        r"rules\[3\].command=.*did you mean '\{value\}'\?",
        r"rules\[7\].write.device='oven': there is no controller of this name",
        r"rules\[8\].write: setpoint \(7001\) = 1000000000.0: allowed is",
        r"rules\[9\].write: .*communication setting",
    ]
    assert len(found) == len(expected)
    for each, pattern in zip(found, expected):
        assert re.match(pattern, each), (each, pattern)


def test_the_check_finds_programs_that_do_not_exist(tmp_path: Path) -> None:
    commands = ('["./page-me"]', '["no-such-program-x"]', '["python3"]', "[]")
    rules = "".join(
        RULE.format(f"rule{n}", "'top.pv > 1'") + f"command = {each}\n"
        for n, each in enumerate(commands)
    )
    file = tmp_path / "rig.toml"
    file.write_text(RIG + rules, "utf-8")
    found = [each for each in check_rig(load_rig(file)) if each.kind == "rule"]
    assert [each.ok for each in found] == [False, False, True, True]
    assert found[0].text.startswith(f"its program {tmp_path / 'page-me'} does not exist")
    assert "is not in PATH" in found[1].text


def test_the_example_of_the_page_is_a_rig(tmp_path: Path) -> None:
    example = PAGE.read_text("utf-8").split("```toml\n")[1].split("```")[0]
    file = tmp_path / "rig.toml"
    file.write_text(RIG.replace("controllers.top", "controllers.oven_top") + example, "utf-8")
    assert [each.name for each in load_rig(file).rules] == ["overheated", "top silent"]
