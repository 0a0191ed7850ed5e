"""HTTP itself: a connection, the head of a request, the end of an answer, and what bodies hold."""
