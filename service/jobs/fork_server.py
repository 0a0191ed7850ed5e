"""Imported first by the fork server, and by nothing else.

The fork server ends when it finds its pipe to the worker closed, but it does not look while it
imports TensorFlow. On Linux the kernel ends it with the worker at any moment; elsewhere it outlives
a dead worker by some seconds at most.
"""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>; a forked child does not inherit it

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
