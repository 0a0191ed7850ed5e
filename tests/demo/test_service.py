import socket
from pathlib import Path

import httpx
import pytest
from typer import Exit

from service.demo.service import run, started
from service.demo.triples import demonstrate
from service.settings import Settings

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(params=["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy that the environment names and that does not answer."""
    url: str = request.param
    for name in PROXY_VARIABLES:
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.lower(), url)
    return url


def test_no_proxy_stands_before_the_service_that_it_starts(tmp_path: Path, proxy: str) -> None:
    with started(Settings(artifacts_dir=tmp_path)) as url:
        assert httpx.get(f"{url}/livez", trust_env=False).status_code == 200


def test_no_proxy_stands_before_this_machine(
    proxy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        url = f"http://localhost:{bound.getsockname()[1]}"
        with pytest.raises(Exit):
            run(url, Settings(), demonstrate)
    assert "refused" in capsys.readouterr().err


def test_a_proxy_is_asked_for_other_machines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        listener.close()
        with pytest.raises(Exit):
            run("http://crosscheck.invalid", Settings(), demonstrate)
    assert "refused" in capsys.readouterr().err  # of the proxy: the name leads nowhere


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a", "http://x:y", "http://127.0.0.1:0"])
def test_what_cannot_be_asked_is_one_plain_line(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exit) as ended:
        run(url, Settings(), demonstrate)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"'{url}' cannot be asked: ")


def test_a_kind_of_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(Exit):
        run("http://192.0.2.1", Settings(), demonstrate)
    assert "SOCKS" in capsys.readouterr().err
