from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from service.settings import Settings, without_effect


@pytest.mark.parametrize(
    "url",
    [
        "jobs",
        "postgres://host/jobs",
        "sqlite:///jobs.sqlite",
        "postgresql://",
        "postgresql://host",
        "postgresql://user:secret@host:port/jobs",
        "postgresql://user:secret@[::1/jobs",
    ],
)
def test_what_is_no_url_of_a_postgres_database_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(
        ValidationError, match="postgresql://user:password@host/database"
    ) as refusal:
        Settings(database_url=url)
    assert "secret" not in str(refusal.value)


def test_an_sqlite_that_is_too_old_for_a_newer_python_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.settings.sys", SimpleNamespace(version_info=(3, 12)))
    monkeypatch.setattr("service.settings.sqlite3.sqlite_version_info", (3, 41, 9))
    with pytest.raises(ValidationError, match=r"SQLite 3\.42"):
        Settings()
    assert Settings(database_url="postgresql://host/jobs")
    monkeypatch.setattr("service.settings.sqlite3.sqlite_version_info", (3, 42, 0))
    assert Settings().database_url == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_a_loopback_address_is_local(host: str) -> None:
    assert Settings(host=host).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example.org"])  # noqa: S104
def test_every_other_address_is_not(host: str) -> None:
    assert not Settings(host=host).is_local


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_variable_that_is_set_but_empty_leaves_the_default(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"CROSSCHECK_{name.upper()}", "")
    assert getattr(Settings(), name) == Settings.model_fields[name].get_default()


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("CROSSCHECK_PROT", "CROSSCHECK_PORT"),
        ("crosscheck_prot", "CROSSCHECK_PORT"),
        ("CROSSCHECK_DB_URL", "CROSSCHECK_DATABASE_URL"),
        ("CROSSCHECK_CORS_ORIGIN", "CROSSCHECK_CORS_ORIGINS"),
        ("CROSCHECK_PORT", "CROSSCHECK_PORT"),
        ("CROSS_CHECK_PORT", "CROSSCHECK_PORT"),
        ("CROSSCHECK_LOG_LEVEL", None),
        ("CROSSCHECK_LOG", None),
    ],
)
def test_a_misspelt_variable_is_told_with_the_one_that_may_be_meant(
    misspelt: str, meant: str | None
) -> None:
    suggestion = f": did you mean {meant}?" if meant else ""
    assert list(without_effect({misspelt: "1"})) == [f"{misspelt} is no setting{suggestion}"]


def test_settings_and_what_others_read_are_not_told() -> None:
    names = ["CROSSCHECK_PORT", "crosscheck_port", "CROSSCHECK_API_KEY", "CROSSCHECK_URL", "PATH"]
    assert not [*without_effect(dict.fromkeys(names, "1"))]


SERVICE_LINKS = {
    "CROSSCHECK_SERVICE_HOST": "10.0.0.1",
    "CROSSCHECK_SERVICE_PORT": "8000",
    "CROSSCHECK_SERVICE_PORT_HTTP": "8000",
    "CROSSCHECK_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "CROSSCHECK_PORT_8000_TCP_PROTO": "tcp",
    "CROSSCHECK_PORT_8000_TCP_PORT": "8000",
    "CROSSCHECK_PORT_8000_TCP_ADDR": "10.0.0.1",
    "CROSSCHECK_WORKER_SERVICE_HOST": "10.0.0.2",
    "CROSSCHECK_WORKER_PORT": "udp://10.0.0.2:53",
}


def test_service_links_of_kubernetes_are_no_misspelt_settings() -> None:
    assert not [*without_effect(SERVICE_LINKS)]


def test_a_service_link_in_the_place_of_the_port_is_told_and_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = {"CROSSCHECK_PORT": "tcp://10.0.0.1:8000"}
    (line,) = without_effect(SERVICE_LINKS | link)
    assert "CROSSCHECK_PORT" in line
    assert "enableServiceLinks: false" in line
    monkeypatch.setenv("CROSSCHECK_PORT", link["CROSSCHECK_PORT"])
    assert Settings().port == 8000
    assert Settings(port=80).port == 80


def test_the_home_folder_may_be_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CROSSCHECK_ARTIFACTS_DIR", "~/artifacts")
    assert Settings().artifacts_dir == tmp_path / "artifacts"


@pytest.mark.parametrize(
    "folder", ["~nobody-of-this-name/a", "s3://bucket/a", "file:///a", "\udcff"]
)
def test_what_cannot_be_a_folder_of_artifacts_is_refused(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("CROSSCHECK_ARTIFACTS_DIR", folder)
    with pytest.raises(ValidationError, match=r"home folder|not a URL|UTF-8"):
        Settings()


@pytest.mark.parametrize("root_path", ["", "/crosscheck", "/a/b-c/d_e.f~1", "/trains"])
def test_a_root_path_is_taken_as_it_is(root_path: str) -> None:
    assert Settings(root_path=root_path).root_path == root_path


@pytest.mark.parametrize(
    "root_path",
    [
        *("/", "crosscheck", "/crosscheck/", "//crosscheck", "/a//b", "/..", "/a/../b", "/."),
        *("/a b", "/a%2Fb", "/a?b", "/a#b", "/a\n", "/é", "https://example.org/a", "/a/.."),
    ],
)
def test_what_is_no_root_path_is_refused_in_plain_words(root_path: str) -> None:
    with pytest.raises(ValidationError, match="like /crosscheck: begin with / and not end with it"):
        Settings(root_path=root_path)


@pytest.mark.parametrize("root_path", ["/models", "/train/x", "/openapi.json"])
def test_a_root_path_like_one_of_the_services_paths_is_refused(root_path: str) -> None:
    with pytest.raises(ValidationError, match="like a path of the service itself"):
        Settings(root_path=root_path)


def test_connections_are_kept_for_longer_than_proxies_keep_theirs() -> None:
    assert Settings().keep_alive_seconds > 60


PLATFORM = {
    "AIP_HTTP_PORT": "8080",
    "AIP_HEALTH_ROUTE": "/alive",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
}


def test_what_a_platform_says_counts_where_nobody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in PLATFORM.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.port, settings.health_route) == (8080, "/alive")
    assert settings.predict_route == "/v1/endpoints/1/deployedModels/2:predict"
    assert "/alive" in settings.health_paths
    monkeypatch.setenv("CROSSCHECK_PORT", "9000")
    monkeypatch.setenv("CROSSCHECK_HEALTH_ROUTE", "/ping")
    assert (Settings().port, Settings().health_route) == (9000, "/ping")
    assert Settings(port=1).port == 1


@pytest.mark.parametrize(
    "route", ["/predict", "/train", "/v1/models/x", "/v2", "/", "here", "/a b"]
)
def test_a_route_of_a_platform_may_not_be_one_of_ours(route: str) -> None:
    for name in ("health_route", "predict_route"):
        with pytest.raises(ValidationError, match=r"path of the service itself|like /my/route"):
            Settings.model_validate({name: route})


def test_no_prediction_is_asked_for_where_no_key_is_needed() -> None:
    with pytest.raises(ValidationError, match="path of the service itself"):
        Settings(predict_route="/ping")
    with pytest.raises(ValidationError, match="another one than the health route"):
        Settings(predict_route="/here", health_route="/here")


@pytest.mark.parametrize("name", ["Houses", "a/b", "..", "a.b", "x" * 65])
def test_what_can_be_no_dataset_is_no_default_one(name: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Settings(default_dataset=name)


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://host", "http://", "http://host/v1"])
def test_what_is_no_collector_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="http://host:4318, without a path"):
        Settings(otlp_endpoint=endpoint)


def test_traces_need_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(otlp_endpoint="http://host:4318/").otlp_endpoint == "http://host:4318"
    monkeypatch.setattr("service.settings.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"pip install \.\[otel\]"):
        Settings(otlp_endpoint="http://host:4318")
    assert Settings().otlp_endpoint == ""


def test_draining_takes_half_a_minute_at_most() -> None:
    assert Settings(drain_seconds=30)
    with pytest.raises(ValidationError, match="less than or equal to 30"):
        Settings(drain_seconds=31)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b", "gs://bucket/a", "az://c/a/"])
def test_an_object_store_is_named_by_its_url(url: str) -> None:
    assert Settings(store_url=url).store_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["bucket", "https://bucket", "s3://", "s3://k:s@bucket", "s3://b?a"]
)
def test_what_names_no_object_store_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="s3://bucket/prefix"):
        Settings(store_url=url)
