"""API keys, against a running service."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import HEALTH
from tests.conftest import Service, running

KEYS = {
    "predict": "a-key-that-predicts",
    "train": "a-key-that-trains",
    "admin": "a-key-that-administers",
}

JOB = "11111111-1111-4111-8111-111111111111"

PLACES = {
    **{"job_id": JOB, "dataset": "triples", "network": "cross", "number": 1, "name": "triples"},
    **{"model": "cross", "version": 1, "label": "serving", "verb": "predict"},
}

OTHER_PROTOCOLS = ("/v1/", "/v2", "/invocations", "/version", "/here", "/score")

# Each with the least role that it needs.
REQUESTS: list[tuple[str, str, str]] = [
    ("predict", "POST", "/predict"),
    ("predict", "GET", "/predict"),
    ("predict", "GET", "/metrics"),
    ("predict", "GET", "/monitoring/prometheus/metrics"),
    ("admin", "GET", "/monitoring"),
    ("predict", "GET", "/serving"),
    ("predict", "GET", "/models"),
    ("predict", "GET", "/models/triples/cross"),
    ("predict", "GET", "/models/triples/cross/versions/1"),
    ("predict", "GET", "/models/triples/cross/versions/1/interactions"),
    ("predict", "GET", "/models/triples/cross/versions/1/residuals"),
    ("predict", "GET", "/models/triples/cross/history"),
    ("admin", "PUT", "/models/triples/cross/serving"),
    ("predict", "GET", "/datasets"),
    ("predict", "GET", "/datasets/triples"),
    ("predict", "GET", "/datasets/triples/rows"),
    ("predict", "GET", "/datasets/triples/example"),
    ("predict", "GET", "/datasets/triples/recipe"),
    ("train", "PUT", "/datasets/triples"),
    ("train", "PUT", "/datasets/houses?target=price"),
    ("admin", "DELETE", "/datasets/triples"),
    ("admin", "PUT", "/datasets"),
    ("admin", "DELETE", "/models/triples/cross"),
    ("train", "POST", "/train"),
    ("admin", "POST", "/train/"),
    ("admin", "POST", "/train%0A"),
    ("train", "GET", "/jobs%0A"),
    ("predict", "POST", "/predict%0A"),
    ("admin", "GET", "/livez%0A"),
    ("train", "GET", "/jobs"),
    ("train", "GET", f"/jobs/{JOB}"),
    ("train", "GET", f"/jobs/{JOB}/curves"),
    ("train", "GET", f"/jobs/{JOB}/events"),
    ("train", "POST", f"/jobs/{JOB}/cancel"),
    ("admin", "GET", "/docs/"),
    ("admin", "GET", "/page"),
    ("admin", "GET", "/pages/main.js"),
    ("admin", "GET", "/whoami/"),
    ("admin", "GET", "/docs/LICENSE"),
    ("admin", "GET", "/docs/%2e%2e/train"),
    ("admin", "GET", "/openapi.json%0A"),
    ("admin", "GET", "/nowhere"),
    ("admin", "GET", "/%2Flivez"),
    ("predict", "OPTIONS", "/predict"),
    ("admin", "DELETE", "/livez/"),
    *(
        ("predict", method, f"/v1/models/cross{place}{below}")
        for place in ("", "/versions/1", "/labels/serving")
        for method, below in (("GET", ""), ("GET", "/metadata"), ("POST", ":predict"))
    ),
    *(
        ("predict", method, f"/v2/models/cross{place}{below}")
        for place in ("", "/versions/1")
        for method, below in (("GET", ""), ("GET", "/ready"), ("POST", "/infer"))
    ),
    ("predict", "GET", "/v2"),
    ("predict", "GET", "/v2/"),
    ("predict", "POST", "/v2/repository/index"),
    ("admin", "POST", "/v2/repository/models/cross/load"),
    ("admin", "GET", "/v2/health"),
    ("predict", "POST", "/invocations"),
    ("predict", "GET", "/version"),
    ("predict", "POST", "/here"),
    ("predict", "POST", "/score"),
    ("admin", "PUT", "/invocations"),
    ("predict", "POST", "/v1/models/cross:predict%0A"),
    ("admin", "PUT", "/v1/models/cross"),
    ("admin", "GET", "/v1"),
    ("admin", "POST", "/v1/train"),
]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("locked")
    keys = folder / "keys"
    keys.write_text("\n".join(f"the-{role}:{role}:{key}" for role, key in KEYS.items()))
    routes = {"health_route": "/alive", "predict_route": "/here"}
    with running(folder, "--no-worker", api_keys=str(keys), **routes) as service:
        yield service


def ask(service: Service, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    return service.client.request(method, path, headers=headers)


def test_every_documented_path_is_asked_for_here(locked: Service) -> None:
    document = locked.get("/openapi.json")
    documented = {
        (method.upper(), path.format(**PLACES))
        for path, operations in document["paths"].items()
        for method in operations
    }
    health = {("GET", path) for path in (*HEALTH, "/alive", "/whoami")}
    assert documented - health <= {(method, path) for _, method, path in REQUESTS}


@pytest.mark.parametrize(("method", "path"), [request[1:] for request in REQUESTS])
def test_without_a_valid_key_nobody_gets_in(locked: Service, method: str, path: str) -> None:
    wrong: list[dict[str, str]] = [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "not-a-key-at-all"},
        {"X-API-Key": KEYS["admin"][:-1]},
        {"X-API-Key": KEYS["admin"] + "x"},
        {"Authorization": KEYS["admin"]},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer not-a-key-at-all"},
        {"Authorization": f"Basic {KEYS['admin']}"},
        {"Cookie": f"X-API-Key={KEYS['admin']}"},
    ]
    for headers in wrong:
        response = ask(locked, method, path, headers)
        assert response.status_code == 401, (headers, response.text)
        assert response.headers["www-authenticate"].startswith("Bearer")
        is_other = path.startswith(OTHER_PROTOCOLS)
        media_type = "application/json" if is_other else "application/problem+json"
        assert response.headers["content-type"] == media_type
        assert response.headers["x-request-id"]


@pytest.mark.parametrize(("role", "method", "path"), REQUESTS)
def test_a_role_opens_what_it_should_and_no_more(
    locked: Service, role: str, method: str, path: str
) -> None:
    roles = list(KEYS)
    for given, key in KEYS.items():
        for headers in ({"X-API-Key": key}, {"Authorization": f"bearer {key}"}):
            status = ask(locked, method, path, headers).status_code
            if roles.index(given) < roles.index(role):
                assert status == 403
            else:
                assert status not in (401, 403)


@pytest.mark.parametrize(
    "path",
    [
        "/train%0A",
        "/predict%0A",
        "/jobs%0A",
        "/livez%0A",
        "/invocations%0A",
        "/here%0A",
        "/ping%0A",
    ],
)
def test_no_control_character_leads_past_the_roles(locked: Service, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        assert ask(locked, method, path, {"X-API-Key": KEYS["admin"]}).status_code == 404


def test_without_keys_a_foreign_page_changes_nothing(service: Service) -> None:
    before = len(service.get("/jobs", limit=100)["jobs"])
    for path in ("/train", "/predict"):
        foreign = ask(service, "POST", path, {"Origin": "https://example.org"})
        assert foreign.status_code == 403
    assert len(service.get("/jobs", limit=100)["jobs"]) == before
    own = {"Origin": str(service.client.base_url).rstrip("/"), "Content-Type": "text/plain"}
    assert ask(service, "POST", "/predict", own).status_code == 415


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org:8000", "192.0.2.1", ""])
def test_without_keys_no_other_name_leads_to_this_machine(service: Service, host: str) -> None:
    for method, path in (("GET", "/jobs"), ("POST", "/predict"), ("POST", "/train")):
        response = ask(service, method, path, {"Host": host})
        assert response.status_code == 403
        assert "localhost" in response.json()["detail"]
    assert ask(service, "GET", "/livez", {"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:80"])
def test_every_name_of_this_machine_is_answered_for(service: Service, host: str) -> None:
    assert ask(service, "GET", "/jobs", {"Host": host}).status_code == 200


def test_with_keys_the_service_has_any_name(locked: Service) -> None:
    headers = {"Host": "example.org", "X-API-Key": KEYS["predict"]}
    assert ask(locked, "GET", "/models", headers).status_code == 200


def test_health_needs_no_key(locked: Service) -> None:
    for path in (*HEALTH, "/alive"):
        assert locked.client.get(path).status_code == 200


def test_the_log_names_the_key_and_never_shows_it(locked: Service) -> None:
    ask(locked, "GET", "/models", {"X-API-Key": KEYS["admin"], "X-Request-Id": "named"})
    ask(locked, "GET", "/models", {"X-API-Key": "wrong-but-secret", "X-Request-Id": "unnamed"})

    def logged() -> dict[str, str | None]:
        lines = [json.loads(line) for line in locked.log.read_text().splitlines() if line[0] == "{"]
        return {line["request_id"]: line["key"] for line in lines}

    locked.until(lambda: {"named", "unnamed"} <= logged().keys())
    assert logged()["named"] == "the-admin"
    assert logged()["unnamed"] is None
    text = locked.log.read_text()
    assert not any(secret in text for secret in (*KEYS.values(), "wrong-but-secret"))


def test_the_document_says_how_to_give_the_key_and_shows_none(locked: Service) -> None:
    document = locked.client.get("/openapi.json")
    schemes = document.json()["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("name")) for scheme in schemes.values()} == {
        ("http", None),
        ("apiKey", "X-API-Key"),
    }
    assert "security" in document.json()["paths"]["/predict"]["post"]
    assert "security" not in document.json()["paths"]["/livez"]["get"]
    assert not any(key in document.text for key in KEYS.values())
    assert "the-admin" not in document.text
    assert str(locked.artifacts) not in document.text


def serve(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Tries to start a service that is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "service", "serve", "--no-worker", *options],
        env={f"CROSSCHECK_{name.upper()}": value for name, value in settings.items()},
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_without_keys_it_listens_on_this_machine_only(host: str) -> None:
    refused = serve("--host", host, "--port", "0")
    assert refused.returncode == 2
    assert "CROSSCHECK_API_KEYS" in refused.stderr


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (["--insecure"], {}),
        ([], {"insecure": "true"}),
        ([], {"api_keys": f"ops:admin:{KEYS['admin']}"}),
    ],
)
def test_with_keys_or_on_demand_it_listens_beyond(
    tmp_path: Path, options: list[str], settings: dict[str, str]
) -> None:
    everywhere = ["--no-worker", "--host", "0.0.0.0"]  # noqa: S104
    with running(tmp_path, *everywhere, *options, **settings) as service:
        assert service.client.get("/livez").status_code == 200
        named = ask(service, "GET", "/models", {"Host": "example.org"})
        assert named.status_code == (401 if "api_keys" in settings else 200)


def test_bad_keys_stop_the_start_in_plain_words_without_showing_them() -> None:
    refused = serve(api_keys="ops:emperor:a-key-that-is-secret")
    assert refused.returncode == 2
    assert "CROSSCHECK_API_KEYS: " in refused.stderr
    assert "entry 1" in refused.stderr
    assert "secret" not in refused.stderr
    assert "Traceback" not in refused.stderr
