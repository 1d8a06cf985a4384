"""The facts: one record per provider, and the types that hold them."""
