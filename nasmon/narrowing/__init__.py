"""A smaller network out of a trained one: narrowed, its weights carried over."""
