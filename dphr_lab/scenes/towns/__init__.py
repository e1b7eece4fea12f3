"""Rendered towns: what stands in them, how twins differ, and how a camera sees them."""
