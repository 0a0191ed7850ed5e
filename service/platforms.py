"""What platforms tell their containers of the port and the paths on which they will ask."""

import re
from collections.abc import Iterator, Mapping

VARIABLES = {
    "SAGEMAKER_BIND_TO_PORT": "port",
    "AIP_HTTP_PORT": "port",
    "AIP_HEALTH_ROUTE": "health_route",
    "AIP_PREDICT_ROUTE": "predict_route",
}
"""Variables of SageMaker and Vertex AI, and our settings that they stand for."""

OF_VERTEX = "/v1/endpoints/"
"""How the routes begin on which Vertex AI asks where nobody has chosen others."""

_is_route = re.compile(r"(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~:-]+)+").fullmatch


def told(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Settings and their values, the later ones before the earlier ones."""
    given = {name: value for name, value in environment.items() if value}
    if {"AIP_ENDPOINT_ID", "AIP_DEPLOYED_MODEL_ID"} <= given.keys():
        model = given["AIP_DEPLOYED_MODEL_ID"]
        route = f"{OF_VERTEX}{given['AIP_ENDPOINT_ID']}/deployedModels/{model}"
        yield "health_route", route
        yield "predict_route", f"{route}:predict"
    for name, setting in VARIABLES.items():
        if name in given:
            yield setting, given[name]


def is_route(text: str) -> bool:
    """Whether a text can be the path of a route."""
    return bool(_is_route(text))
