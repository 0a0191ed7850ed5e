"""Where every command begins; as process 1 of a container it leaves the command to a child.

The kernel keeps from process 1 every signal that it has no handler for, and leaves it to reap
whatever loses its parent.
"""

import os
import signal

PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
PASSED_ON |= {signal.SIGUSR1, signal.SIGUSR2}


def main() -> None:
    """Runs the command that the command line names."""
    if os.getpid() == 1:
        _stay_behind()
    # Only now: these imports take a while, and a signal may come at any moment.
    from service.cli import app

    app(prog_name="crosscheck")


def _stay_behind() -> None:
    """Returns in a child. This process passes signals on, reaps, and ends when the child does."""
    # A signal that is blocked waits, even for process 1.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        received = signal.sigwaitinfo(PASSED_ON | {signal.SIGCHLD})
        if received.si_signo == signal.SIGCHLD:
            _reap(child)
        elif received.si_code <= 0:  # else it comes from the terminal, which tells the child, too
            os.kill(child, received.si_signo)


def _reap(child: int) -> None:
    """Takes notice of every process that has ended, and ends this one if `child` is among them."""
    while True:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        if process == 0:
            return
