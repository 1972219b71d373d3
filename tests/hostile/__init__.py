"""Hostile deliveries and configurations: each has the outcome that is declared here."""
