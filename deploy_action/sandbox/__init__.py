"""A local Azure: real clients reach it through a proxy and trust its CA.

It shares no code with the action, so that it cannot share its bugs.
"""
