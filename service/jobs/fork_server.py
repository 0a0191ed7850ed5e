"""Imported first by the fork server, and by nothing else.

The fork server ends when it finds its pipe to the worker closed, but it does not look while it
imports TensorFlow. On Linux the kernel ends it with the worker at any moment; elsewhere it outlives
a dead worker by some seconds at most.
"""

import ctypes
import gc
import os
import signal
import sys

from service.jobs import cpus
from service.jobs.child import SLOTS, WORKER

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>; a forked child does not inherit it

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(os.environ[WORKER]):  # it ended before the kernel was asked
    os._exit(1)

# TensorFlow, which is imported next, and its libraries take all this from nowhere else. What is
# there for other programs would end a job, or change what it computes.
for name in list(os.environ):
    if name.startswith("KERAS_") or name in {"TF_XLA_FLAGS", "XLA_FLAGS"}:
        del os.environ[name]
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = __file__  # no folder: so Keras neither reads a keras.json nor writes one
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow counts the processors of the machine, or of the affinity; it knows of no quota.
threads = str(max(1, cpus.usable() // int(os.environ[SLOTS])))
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)
os.environ.setdefault("TF_NUM_INTEROP_THREADS", threads)
# The matrices of least squares are small: a second thread makes them three times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Without it, scikit-learn's helper runs `lscpu` in every child to count processors.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Arrow's allocator would start a thread with the import, and no thread survives a fork.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
# What is imported next stays: a fifth of the time would be spent on looking, again and again, for
# what of it is garbage. preload.py turns this on again.
gc.disable()
