"""How idle threads wait is said before torch is there, and never against what somebody said."""

import os
import subprocess
import sys

import pytest

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SAYS = f"import os, tesserec; print(*(os.environ.get(name) for name in {NAMES}))"


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({}, ["PASSIVE", "5000"]),
        ({"GOMP_SPINCOUNT": "7"}, ["PASSIVE", "7"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", "None"]),
    ],
)
def test_threads_spin_briefly_unless_somebody_said_how_they_wait(
    given: dict[str, str], then: list[str]
) -> None:
    rest = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [sys.executable, "-c", SAYS]
    done = subprocess.run(command, env=rest | given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == then
