"""What a process finds around it, put in order before it does anything else."""

import os
import sys


def put_in_order() -> None:
    """Makes sure of the standard streams, and of what our own processes find in the environment."""
    _open_missing_streams()
    _keep_the_working_folder_out()
    # ONNX Runtime would tell its makers of each session, and keep a device id in the home folder.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def _open_missing_streams() -> None:
    """Opens `/dev/null` where there is no standard input, output or error.

    The next pipe or socket would take its number, and be read, written to or closed in its stead.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # under the lowest number that is free, which is this
            os.set_inheritable(descriptor, True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _keep_the_working_folder_out() -> None:
    """Has every Python that is started from here on pass over modules in the working folder.

    A user's `logging.py` is none of ours. An empty entry of PYTHONPATH means that folder, too.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    if "PYTHONPATH" in os.environ:
        entries = os.environ["PYTHONPATH"].split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, entries))
