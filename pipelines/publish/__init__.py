"""Publishes marts to analysts: a candidate is built, audited and swapped in as a whole."""
