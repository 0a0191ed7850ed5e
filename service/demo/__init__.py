"""`crosscheck demo`: the main job over HTTP, with the call of each step shown."""
