"""What `schemathesis` cannot read in the OpenAPI document, because JSON Schema cannot say it."""

import json
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

RULES = (
    "`lowest` must not be above `highest`",
    "it is the version that is to serve",
    "`eval_fraction` leaves one of the two splits without a row",
    "`ensemble` takes the mean of starts, `restarts` the best: choose one",
    "`experts` needs `rank`: only kernels of low rank are mixed",
    "is for gradient descent, not levenberg_marquardt",
    "seed is for the dataset triples",
    "make it smaller or use adam",
    "the optimizer levenberg_marquardt",
    "its prediction is not a finite number",
    "the Idempotency-Key was used before, with another body",
)

OTHER_PROTOCOLS = ("/v1/", "/v2/", "/invocations", "/score")


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Keeps every failure but a refusal, by one of these rules, of a body that fits its schema.

    Headers that nobody has documented are no failure: proxies add such.
    """
    if isinstance(failure, AcceptedNegativeData):
        return "in header - object with unexpected properties" not in failure.message
    if not isinstance(failure, RejectedPositiveData) or response.status_code not in (400, 422):
        return True
    if case.path.startswith(OTHER_PROTOCOLS):
        return False  # of them, the document says no more than what their clients know
    if case.media_type not in (None, "application/json") or case.path == "/datasets/{name}":
        return False  # JSON Schema knows nothing of what a file of CSV or Parquet must be like
    detail = json.loads(response.content)["detail"]
    if detail.endswith('received "None"'):
        return False  # where an answer says null, the tool writes that into the path of the next
    return not any(detail.endswith(rule) for rule in RULES)
