"""A service that a proxy shows below a path, whether or not the proxy takes that off."""

from collections.abc import Iterator

import httpx
import pytest

from service.api.app import create_app
from service.settings import OWN_PATHS, Settings
from tests.conftest import Service, running

ROOT = "/crosscheck"
KEYS = {role: f"a-key-that-has-the-role-{role}" for role in ("predict", "train", "admin")}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keys = " ".join(f"{role}:{role}:{key}" for role, key in KEYS.items())
    folder = tmp_path_factory.mktemp("behind")
    with running(folder, "--no-worker", root_path=ROOT, api_keys=keys) as service:
        yield service


def ask(service: Service, method: str, path: str, role: str = "admin") -> httpx.Response:
    return service.client.request(method, path, headers={"X-API-Key": KEYS[role]})


@pytest.mark.parametrize("prefix", ["", ROOT])
def test_every_path_answers_with_the_root_path_and_without(behind: Service, prefix: str) -> None:
    assert behind.client.get(f"{prefix}/livez").status_code == 200
    assert ask(behind, "GET", f"{prefix}/models").status_code == 200
    assert ask(behind, "POST", f"{prefix}/predict").status_code == 415
    for path in ("/docs", "/openapi.json"):
        assert behind.client.get(f"{prefix}{path}").status_code == 200


@pytest.mark.parametrize("prefix", ["", ROOT])
def test_links_lead_below_the_root_path(behind: Service, prefix: str) -> None:
    created = ask(behind, "POST", f"{prefix}/train")
    location = created.headers["location"]
    assert location == f"{ROOT}/jobs/{created.json()['id']}"
    assert ask(behind, "GET", location).json()["id"] == created.json()["id"]
    document = behind.client.get(f"{prefix}/openapi.json").json()
    assert document["servers"] == [{"url": ROOT}]


def test_without_a_root_path_links_are_as_before(service: Service) -> None:
    assert "servers" not in service.get("/openapi.json")
    assert service.client.get(f"{ROOT}/livez").status_code == 404


def test_every_body_is_read_by_the_same_rules(service: Service) -> None:
    asked = 0
    paths = service.get("/openapi.json")["paths"].items()
    others = ("/v1/", "/v2/", "/invocations", "/score")
    for path, operations in ((path, each) for path, each in paths if not path.startswith(others)):
        for method, operation in operations.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                asked += 1
                place = path.replace("{name}", "cross")
                headers = {"Content-Type": "application/json"}
                answer = service.client.request(method, place, content=b"{", headers=headers)
                assert answer.status_code == 400, place
                answer = service.client.request(method, place, content=b"{}")
                assert "send the header `Content-Type: application/json`" in answer.json()["detail"]
    assert asked == 3


# With the least role that the path needs, and what the answer is then.
TRICKY = [
    ("train", "POST", f"{ROOT}/train", 202),
    ("train", "POST", f"{ROOT}%2Ftrain", 202),
    ("train", "POST", "/%63rosscheck/train", 202),
    ("admin", "POST", f"{ROOT}{ROOT}/train", 404),
    ("admin", "POST", f"{ROOT}//train", 404),
    ("admin", "POST", f"/{ROOT}/train", 404),
    ("admin", "POST", "//train", 404),
    ("admin", "POST", f"{ROOT}/%2e%2e/train", 404),
    ("admin", "POST", f"{ROOT}/livez/%2e%2e/train", 404),
    ("admin", "POST", f"{ROOT}train", 404),
    ("admin", "POST", f"{ROOT}/train/", 404),
    ("admin", "POST", f"{ROOT}/train%0A", 404),
    ("admin", "POST", f"{ROOT.upper()}/train", 404),
    ("admin", "GET", f"{ROOT}{ROOT}/livez", 404),
    ("admin", "GET", f"{ROOT}{ROOT}/docs", 404),
    ("admin", "GET", f"{ROOT}//", 404),
    ("admin", "PUT", f"{ROOT}/models/triples/cross/serving", 422),
]


@pytest.mark.parametrize(("least", "method", "path", "status"), TRICKY)
def test_the_role_is_that_of_the_path_that_is_answered(
    behind: Service, least: str, method: str, path: str, status: int
) -> None:
    roles = list(KEYS)
    url = behind.client.base_url.copy_with(raw_path=path.encode())
    for role, key in KEYS.items():
        request = httpx.Request(method, url, headers={"X-API-Key": key})
        answer = behind.client.send(request)
        expected = status if roles.index(role) >= roles.index(least) else 403
        assert answer.status_code == expected, (role, answer.text)
    assert behind.client.send(httpx.Request(method, url)).status_code == 401


def test_no_root_path_may_look_like_a_path_of_the_service() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    others = ("/docs", "/openapi.json", "/page/main.js")
    assert {path.split("/")[1] for path in [*paths, *others]} == OWN_PATHS
