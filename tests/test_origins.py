import pytest

from service.origins import parse_origins


def test_origins_are_separated_by_commas_or_white_space() -> None:
    assert parse_origins("https://a.org, http://b:3000\nhttp://[::1]:8080") == [
        "https://a.org",
        "http://b:3000",
        "http://[::1]:8080",
    ]


@pytest.mark.parametrize("text", ["*", "null", "chrome-extension://abcdef"])
def test_what_else_a_browser_sends_is_taken(text: str) -> None:
    assert parse_origins(text) == [text]


@pytest.mark.parametrize(
    ("given", "spelt"),
    [
        ("https://a.org/", "https://a.org"),
        ("https://a.org/page?x#y", "https://a.org"),
        ("https://user:secret@a.org", "https://a.org"),
        ("HTTPS://A.org", "https://a.org"),
        ("https://a.org:443", "https://a.org"),
        ("http://a.org:80", "http://a.org"),
        ("http://a.org:443/", "http://a.org:443"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_what_no_browser_sends_is_refused_with_what_one_would(given: str, spelt: str) -> None:
    with pytest.raises(ValueError, match="write ") as refusal:
        parse_origins(f"https://b.org {given}")
    assert f"write {spelt}: " in str(refusal.value)


@pytest.mark.parametrize(
    "given",
    [
        "a.org",
        "localhost:3000",
        "https://",
        "https://*.a.org",
        "https://a:99999",
        "//a",
        "http://[x",
    ],
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="an origin is like"):
        parse_origins(given)


@pytest.mark.parametrize("given", ['["https://a.org", "https://b.org"]', '"https://a.org"'])
def test_a_list_of_json_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="without brackets and quotes"):
        parse_origins(given)
