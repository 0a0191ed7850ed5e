from pathlib import Path

import pytest
from pydantic import ValidationError

from service.keys import digest_of, parse_keys
from service.settings import Settings

SECRET = "0123456789abcdef"
OTHER = "fedcba9876543210"


def test_entries_are_separated_by_commas_or_white_space() -> None:
    keys = parse_keys(f"web:predict:{SECRET},\n  ops:admin:{OTHER}")
    assert [(key.name, key.role) for key in keys] == [("web", "predict"), ("ops", "admin")]
    assert keys[0].digest == digest_of(SECRET.encode())


def test_they_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"web:predict:{SECRET}\n")
    assert parse_keys(str(file)) == parse_keys(f"web:predict:{SECRET}")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"web:predict:{SECRET}\r\n", "utf-8-sig")
    assert parse_keys(str(file)) == parse_keys(f"web:predict:{SECRET}")


def test_a_file_of_utf_16_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"web:predict:{SECRET}", "utf-16")
    with pytest.raises(ValueError, match="it is not text"):
        parse_keys(str(file))


def test_a_file_in_the_home_folder_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no such home folder"):
        parse_keys("~nobody-of-this-name/keys")


def test_a_key_may_hold_colons() -> None:
    assert parse_keys(f"web:predict:{SECRET}:x")[0].digest == digest_of(f"{SECRET}:x".encode())


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"web:{SECRET}",
        f"web:root:{SECRET}",
        f":predict:{SECRET}",
        "web:predict:tooshort",
        f"web:predict:{SECRET}é",
        f"web:predict:{SECRET} ops:admin:",
        f"web:predict:{SECRET} web:admin:{OTHER}",
        f"web:predict:{SECRET} ops:admin:{SECRET}",
        " , ",
        f"/nowhere/{SECRET}",
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"entry|file|no key") as refusal:
        parse_keys(text)
    assert SECRET not in str(refusal.value)
    assert "tooshort" not in str(refusal.value)


def test_settings_never_show_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSCHECK_API_KEYS", f"web:predict:{SECRET}")
    assert SECRET not in repr(Settings())
    monkeypatch.setenv("CROSSCHECK_API_KEYS", f"web:nobody:{SECRET}")
    with pytest.raises(ValidationError) as refusal:
        Settings()
    assert SECRET not in str(refusal.value)


def test_no_keys_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSCHECK_API_KEYS", "")
    assert Settings().api_keys == ()
