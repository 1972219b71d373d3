"""Executes the job: plans, shows and profiles runs, and reads their history."""
