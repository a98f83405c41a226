from libs.bus.stats import waiting_turns


def test_turns_wait_behind_the_one_that_is_answered() -> None:
    assert waiting_turns([(3, b"running"), (1, b"ready"), (0, b"idle"), (0, None)]) == 3


def test_a_turn_committed_between_two_readings_is_not_less_than_none() -> None:
    assert waiting_turns([(0, b"running"), (2, b"ready")]) == 2
