"""The object store that machines without a common disk share, and what each keeps of it."""
