import pytest

from service.platforms import is_route, told

OF_VERTEX = {
    "AIP_HTTP_PORT": "8080",
    "AIP_HEALTH_ROUTE": "/health",
    "AIP_PREDICT_ROUTE": "/here",
    "AIP_ENDPOINT_ID": "123",
    "AIP_DEPLOYED_MODEL_ID": "456",
    "AIP_STORAGE_URI": "gs://bucket",
}


def test_vertex_says_where_it_will_ask() -> None:
    assert dict(told(OF_VERTEX)) == {
        "port": "8080",
        "health_route": "/health",
        "predict_route": "/here",
    }


def test_where_vertex_does_not_say_it_asks_below_its_own_ids() -> None:
    ids = {"AIP_ENDPOINT_ID": "123", "AIP_DEPLOYED_MODEL_ID": "456", "AIP_HEALTH_ROUTE": ""}
    assert dict(told(ids)) == {
        "health_route": "/v1/endpoints/123/deployedModels/456",
        "predict_route": "/v1/endpoints/123/deployedModels/456:predict",
    }
    assert not dict(told({"AIP_ENDPOINT_ID": "123"}))


def test_sagemaker_says_the_port() -> None:
    assert dict(told({"SAGEMAKER_BIND_TO_PORT": "8081", "PATH": "/"})) == {"port": "8081"}


@pytest.mark.parametrize("text", ["/a", "/a/b:predict", "/v1/endpoints/1/deployedModels/2:predict"])
def test_a_path_is_a_route(text: str) -> None:
    assert is_route(text)


@pytest.mark.parametrize(
    "text", ["", "/", "a", "/a/", "//a", "/..", "/a b", "/a?b", "/a\n", "/{a}"]
)
def test_what_is_no_path_of_a_route_is_none(text: str) -> None:
    assert not is_route(text)
