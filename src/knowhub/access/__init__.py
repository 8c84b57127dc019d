"""Who is asking, and what they hold.

token, cookie or the machine's owner ──authenticating──▶ Identity ──resolving──▶ Viewer ──▶ every search
"""
