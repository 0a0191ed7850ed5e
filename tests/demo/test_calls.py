import httpx
import pytest

from service.demo.calls import answer


@pytest.mark.parametrize(
    ("response", "line"),
    [
        (
            httpx.Response(
                422,
                json={"detail": "target: there is no column [b]"},
                headers={"Content-Type": "application/problem+json"},
            ),
            "422: target: there is no column [b]",
        ),
        (httpx.Response(502, html="<h1>a proxy's page</h1>\n" * 9), "502: Bad Gateway"),
    ],
)
def test_a_refusal_is_one_line(
    response: httpx.Response, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        answer(response)
    assert ended.value.code == 1
    assert capsys.readouterr().out == f"{line}\n"
