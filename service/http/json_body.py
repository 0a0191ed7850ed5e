"""What JSON the service reads: UTF-8, with or without a byte order mark, and without NaN.

All endpoints read it by the same rules, `POST /predict` with a decoder of its own.
"""

import re
from typing import Any

import msgspec

from service.errors import BadRequest, Invalid, UnsupportedMediaType, excerpt

MEDIA_TYPE = "application/json"

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder of msgspec raises for what is not JSON. Its ValidationError comes before."""

MARK = b"\xef\xbb\xbf"

# 1e999 is for who knows what it was to be: they refuse it by the name of its element.
_decode = msgspec.json.Decoder(float_hook=float).decode
_charset = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)
UTF_8 = {"utf-8", "utf8", "us-ascii"}


def read(body: bytes) -> Any:
    """The value that a JSON text stands for.

    Raises:
        BadRequest: It is not JSON.
        Invalid: It holds a whole number of thousands of digits.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError as error:  # with a path that names nothing
        raise Invalid(f"the body: {str(error).partition(' - at ')[0]}") from None
    except UNREADABLE as error:
        return read(without_mark(body, error))


def without_mark(body: bytes, error: Exception) -> bytes:
    """The text behind a byte order mark, which decoders do not know.

    Raises:
        BadRequest: There is no such mark; so it is not JSON, as `error` says.
    """
    text = body.removeprefix(MARK)
    if text is not body and not text.startswith(MARK):
        return text
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        raise BadRequest("the body is not JSON: it must be UTF-8, and not UTF-16 or UTF-32")
    raise BadRequest(f"the body is not JSON: {error}")


def check_content_type(given: str, taken: tuple[str, ...] = (MEDIA_TYPE,)) -> str:
    """The media type of a body, one of those `taken`. JSON is UTF-8, whatever else it says.

    Raises:
        UnsupportedMediaType: It is another one, or JSON in another character set.
    """
    media_type = given.partition(";")[0].strip().lower()
    if media_type not in taken:
        *others, last = [f"`Content-Type: {name}`" for name in taken]
        headers = f"{', '.join(others)} or {last}" if others else last
        received = excerpt(given) if given else "none"
        raise UnsupportedMediaType(f"send the header {headers}; received {received}")
    if media_type == MEDIA_TYPE:
        for charset in _charset.findall(given):
            if charset.lower() not in UTF_8:
                raise UnsupportedMediaType(f"JSON must be UTF-8; received {excerpt(charset)}")
    return media_type
