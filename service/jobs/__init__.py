"""Training jobs: their store, the worker, the child that trains."""
