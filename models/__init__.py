"""The science: data, networks, training, evaluation, export. It knows nothing of the service."""
