"""A local Azure: real clients reach it through a proxy and trust its authority.

It shares no code with the action that it stands in for, so that it cannot agree with its bugs.
"""
