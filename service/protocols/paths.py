"""What stands in the paths of other protocols."""

from typing import Annotated

from fastapi import Path
from starlette.convertors import StringConvertor, register_url_convertor

from service.protocols.names import LABELS

Model = Annotated[
    str,
    Path(
        description="`{dataset}`, for the network of it that answers by default, or "
        "`{dataset}.{network}`; of the triples, `dense` and `cross` will do.",
        examples=["cross"],
    ),
]
Version = Annotated[str, Path(pattern="^[0-9]{1,19}$", examples=["1"])]
Label = Annotated[
    str,
    Path(
        description="The serving version, or the one that served before it.",
        json_schema_extra={"enum": [*LABELS]},
    ),
]


class _Part(StringConvertor):
    """A part of a path without the colon, behind which stands what to do."""

    regex = "[^/:]+"


register_url_convertor("part", _Part())
