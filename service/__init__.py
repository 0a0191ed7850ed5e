"""The service: training jobs, a registry of trained versions, predictions over HTTP."""
