"""Everything over HTTP but the hot path: the application and its endpoints, a file each noun."""
