"""Freed memory is kept where the allocator can do so."""

import subprocess
import sys

import pytest

from tesserec.core.memory import keep_freed

AGAIN = """
import resource, torch
from tesserec.core.memory import keep_freed
torch.set_num_threads(1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.ones(2**21) for _ in range(16)]  # 8 MB each
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
assert keep_freed()
faults()
print(first, faults())
"""


@pytest.mark.skipif(not keep_freed(), reason="the allocator of this system is not glibc's")
def test_pages_are_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10
