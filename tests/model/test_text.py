import pytest

from watlowlib.model.text import counted, times


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_200, "1,200 rows")]
)
def test_number_has_its_noun(count: int, text: str) -> None:
    assert counted(count, "row") == text


def test_number_has_its_noun_and_verb() -> None:
    assert counted(1, "row waits", "rows wait") == "1 row waits"
    assert counted(2, "row waits", "rows wait") == "2 rows wait"


def test_one_time_is_once() -> None:
    assert [times(1), times(2)] == ["once", "2 times"]
