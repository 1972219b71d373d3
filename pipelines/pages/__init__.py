"""Web pages for people who read KPIs: leaders, managers, marketing, SDRs, account executives, customer success.

Server-rendered HTML that reads the published file and nothing else: the URL is the state, nothing needs JavaScript, and
no request leaves the machine. A page is a list of sections (`roles.py`); a section is a function that reads what it
shows (`sections/`) and a template (`templates/sections/`).
"""
