import pytest

from deploy.local.process import FIRST_PAUSE_S, LONGEST_PAUSE_S, SETTLED_S, next_pause_s


@pytest.mark.parametrize(
    ("previous_s", "lived_s", "pause_s"),
    [
        (0, 0.1, FIRST_PAUSE_S),
        (FIRST_PAUSE_S, 0.1, FIRST_PAUSE_S * 2),
        (LONGEST_PAUSE_S, 0.1, LONGEST_PAUSE_S),
        (LONGEST_PAUSE_S, SETTLED_S + 1, FIRST_PAUSE_S),
    ],
)
def test_pauses_double_up_to_the_longest_and_begin_again_after_a_long_life(
    previous_s: float, lived_s: float, pause_s: float
) -> None:
    assert next_pause_s(previous_s, lived_s=lived_s) == pause_s
