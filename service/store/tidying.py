"""Removes what is left over in the store.

uploads/{id}    below which prefix a table is written, from before it is until the head names it
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported only where there is one
    from service.store.store import Store

UPLOADS = "uploads/"

UPLOAD_KEPT = timedelta(days=1)
"""No upload takes as long."""


def sweep(store: "Store") -> None:
    """Removes what uploads that were cut short have written in vain."""
    now = datetime.now(UTC)
    old = [key for key, at, *_ in store.objects.list(UPLOADS) if now - at > UPLOAD_KEPT]
    if not old:
        return
    # Read after them: by now the head names whatever it will.
    datasets = store.refresh().head.datasets.values()
    published = {each.id for of in datasets for each in of.revisions}
    for key in old:
        if key.removeprefix(UPLOADS) not in published and (found := store.objects.get(key)):
            store.objects.delete([each.key for each in store.objects.list(found[0].decode())])
        store.objects.delete([key])
