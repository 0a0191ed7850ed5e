"""A version as a folder that other servers load as it is: a file for each of them."""
