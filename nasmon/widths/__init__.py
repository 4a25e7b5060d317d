"""How a model's widths hang together, and what they cost."""
