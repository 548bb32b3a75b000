"""Training a network: what a user passes to fit, the loop, and what may change from update to update."""
