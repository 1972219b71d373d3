"""Answers about published numbers, from the published file alone: which there are, how one was made, why it moved.

Belongs here: questions and answers as data, for commands, pages and other programs. Does not belong here: how answers
are printed (`cli/printing`), and anything that imports Dagster, dbt or Great Expectations: an answer takes a second.
"""
