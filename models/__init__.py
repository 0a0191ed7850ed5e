"""The science: data, networks, training, evaluation, export. Knows nothing of HTTP, jobs or versions."""
