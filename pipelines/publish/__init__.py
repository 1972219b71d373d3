"""Marts to analysts: a candidate is built, audited and swapped in whole."""
