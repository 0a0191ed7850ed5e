"""What the fork server imports last, and nothing else imports: the trainer, or why it cannot.

The fork server passes over an ImportError, and would die of any other without telling why.
"""

import gc

fault: Exception | None = None

try:
    import service.jobs.helper
    import service.jobs.trainer  # noqa: F401
except Exception as error:
    fault = error

gc.freeze()  # or each collection walks all of TensorFlow: a quarter of a short job
gc.enable()
