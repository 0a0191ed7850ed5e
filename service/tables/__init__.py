"""Tables: receive, check, profile, store."""
