"""SIGKILL at random moments, a real one: what is resumed ends as if nothing had been."""

import pytest

from tests.killing import kill_and_resume


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, cache, small_photographs, kills):
    deaths = kill_and_resume(tmp_path, cache, small_photographs, kills, seed=kills)
    assert sum(deaths.values()) == kills
    if kills == 40:
        assert {where.split(":")[0] for where in deaths} == {"realism", "restoration"}
        assert len({where.split(": ")[1] for where in deaths}) > 3
