import os
import subprocess
import sys
import time

import pytest

from tests.machines.clock import clock
from tests.machines.network import why_not

pytestmark = pytest.mark.machines

PROGRAM = """
import time
began = time.monotonic()
time.sleep(0.05)
print(time.time(), time.monotonic() - began)
"""


@pytest.mark.parametrize(("off", "seconds"), [("+1h", 3600), ("-1h", -3600)])
def test_a_clock_that_is_off_tells_another_time_and_right_durations(
    off: str, seconds: float
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **clock(off)},
        capture_output=True,
        text=True,
        check=True,
    )
    now, slept = map(float, ran.stdout.split())
    assert now - time.time() == pytest.approx(seconds, abs=60)
    assert 0.05 <= slept < 10
