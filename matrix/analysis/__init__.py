"""What follows from a store of observations."""
