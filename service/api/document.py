"""What FastAPI does not know of the OpenAPI document: the refusals, and this service's limits."""

from collections.abc import Callable, Iterator
from typing import Any

from service.errors import PROBLEM_JSON
from service.protocols.refusals import Wording, status_of
from service.schemas import Problem
from service.settings import HEALTH, Settings

DESCRIPTION = """\
Bodies may be compressed: `Content-Encoding` is gzip, deflate or zstd. JSON is UTF-8.

Every refusal is an `application/problem+json` document, but for those of other protocols, which
have shapes of their own. A path that is not described here is answered with 404, a method with 405
and `Allow`.
"""

REFUSALS = {
    400: "The body is not what its content type says.",
    401: "There is no key, or an unknown one.",
    403: "The key's role is too low.",
    404: "There is no such dataset, job or version.",
    409: "Not now, in this state.",
    413: "More bytes or rows than are allowed.",
    415: "The body has another content type, or a content encoding that is not known.",
    422: "Understood, and not allowed; `detail` names the element.",
    429: "Too many jobs are waiting.",
    503: "Too busy, or the job database does not answer.",
}

REFUSED_FOR_ITSELF = {
    "post /train": [404, 429],
    "post /jobs/{job_id}/cancel": [409],
    "get /metrics": [404],
    "get /models": [404],
    "post /predict": [404, 409],
    "put /datasets/{name}": [409],
    "delete /datasets/{name}": [409],
}
"""Beside what parameters, bodies and keys are refused for everywhere."""

TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}

REQUEST_ID = {"X-Request-Id": {"schema": TEXT, "description": "The request's, or a new one."}}

HEADERS: dict[int, dict[str, Any]] = {
    201: {"Location": {"schema": TEXT, "description": "Of what was made."}},
    202: {"Location": {"schema": TEXT, "description": "Of the job."}},
    401: {"WWW-Authenticate": {"schema": TEXT}},
    415: {"Accept-Encoding": {"schema": TEXT, "description": "If it is the encoding."}},
    429: {"Retry-After": {"schema": COUNT, "description": "Seconds."}},
    503: {"Retry-After": {"schema": COUNT, "description": "Seconds."}},
}

EXACT = {"properties": {"name": {"const": "levenberg_marquardt"}}, "required": ["name"]}
UNNAMED = {"not": {"required": ["name"]}}
UNNAMED_WITH_RATE = UNNAMED | {
    "anyOf": [{"required": ["learning_rate"]}, {"required": ["schedule"]}]
}
OF_TABLE = {
    "anyOf": [
        {"type": "string", "not": {"const": "triples"}},
        {"type": "object", "properties": {"kind": {"const": "table"}}, "required": ["kind"]},
    ]
}
OF_TRIPLES = {"not": OF_TABLE}
BEST = {"preset": {"const": "best"}, "dataset": OF_TRIPLES}
REFUSED_RECIPES: list[dict[str, Any]] = [
    {"optimizer": EXACT, "precision": {"const": "float32"}},
    BEST | {"optimizer": UNNAMED, "precision": {"const": "float32"}},
    BEST | {"optimizer": UNNAMED_WITH_RATE},
    {"preset": {"const": "seed"}, "dataset": OF_TABLE},
]
"""Exact optimizers work in float64 and have no learning rate and no schedule; the preset `best` of
triples names one. The preset `seed` is for triples.
"""

OF_TABLES_ALONE: dict[str, Any] = {
    "anyOf": [
        {"required": ["dataset"], "properties": {"dataset": OF_TABLE}},
        {
            "properties": {
                "batch_size": {"type": "integer"},
                "patience": {"type": "null"},
                "numeric_embedding": {"type": "null"},
            }
        },
    ]
}


def complete(
    document: dict[str, Any], settings: Settings, wording_at: Callable[[str], Wording | None]
) -> dict[str, Any]:
    """Completes the document that FastAPI has made."""
    document["info"]["description"] = DESCRIPTION
    if settings.root_path:
        document["servers"] = [{"url": settings.root_path}]
    components = document["components"]
    schemas = components["schemas"]
    for of_fastapi in ("HTTPValidationError", "ValidationError"):
        schemas.pop(of_fastapi, None)
    schemas["Problem"] = Problem.model_json_schema()
    schemas["SyntheticDataset"]["properties"]["size"]["maximum"] = settings.max_dataset_size
    schemas["TrainConfig"]["properties"]["epochs"]["maximum"] = settings.max_epochs
    schemas["TrainConfig"]["not"] = {"anyOf": [_with(recipe) for recipe in REFUSED_RECIPES]}
    schemas["TrainConfig"] |= OF_TABLES_ALONE
    components["responses"] = {str(status): _refusal(status) for status in REFUSALS}
    for path, operations in document["paths"].items():
        wording = wording_at(path)
        for method, operation in operations.items():
            _complete(method, path, operation, wording)
        if wording:
            components["responses"] |= {
                _name(status, wording): _refusal(status, wording) for status in REFUSALS
            }
    return document


def _with(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of what has these properties; what is left out is as by default."""
    required = [name for name, of in properties.items() if of not in (UNNAMED, OF_TRIPLES)]
    return {"properties": properties, "required": required}


def _complete(method: str, path: str, operation: dict[str, Any], wording: Wording | None) -> None:
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own
    for status, response in responses.items():
        headers = HEADERS.get(int(status), {}) if int(status) < 400 else {}
        response["headers"] = response.get("headers", {}) | headers | REQUEST_ID
    for refused in _refused(method, path, operation):
        status = status_of(refused) if wording else refused
        named = {"$ref": f"#/components/responses/{_name(status, wording)}"}
        responses.setdefault(str(status), named)


def _name(status: int, wording: Wording | None) -> str:
    return f"{wording.name}-{status}" if wording else str(status)


def _refused(method: str, path: str, operation: dict[str, Any]) -> Iterator[int]:
    """The statuses that an operation may refuse a request with."""
    parameters = operation.get("parameters", [])
    if "security" in operation:
        yield from (401, 403)
    if any(parameter["in"] == "path" for parameter in parameters):
        yield 404
    if "requestBody" in operation:
        yield from (400, 413, 415)
    if parameters or "requestBody" in operation:
        yield 422
    if path not in HEALTH:
        yield 503
    yield from REFUSED_FOR_ITSELF.get(f"{method} {path}", [])


def _refusal(status: int, wording: Wording | None = None) -> dict[str, Any]:
    media_type = PROBLEM_JSON
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}
    if wording:
        members = dict.fromkeys(wording.document(status, ""), TEXT)
        media_type, schema = "application/json", {"type": "object", "properties": members}
    return {
        "description": REFUSALS[status],
        "content": {media_type: {"schema": schema}},
        "headers": HEADERS.get(status, {}) | REQUEST_ID,
    }
