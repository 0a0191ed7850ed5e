"""The verbs: a file for each noun, one command for each endpoint.

The files that `cli.py` imports hold signatures alone; what a verb needs, it imports when it runs.
"""
