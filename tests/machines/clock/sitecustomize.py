"""Python imports this when it starts: below libfaketime 0.9.10, `time.sleep` fails with EINVAL."""

import select
import time
from typing import Any


def sleep(seconds: Any) -> None:
    """Sleeps by a call that works."""
    select.select([], [], [], seconds)


time.sleep = sleep
