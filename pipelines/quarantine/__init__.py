"""Refused files and unreadable rows, and what people decide about them."""
