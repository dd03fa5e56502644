"""The vault: keys, pseudonyms, date shifts, who is who, leak scan, audit.

Imports no room of ours but the common ground; every other room may import this one.
"""
