"""What stands beside the networks in a comparison: trained on the same rows, and never served."""
