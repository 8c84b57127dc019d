"""The REST API: HTTP to calls of the hub, and what comes back to JSON, event streams and problem documents.

uvicorn ─▶ shell (ids, hosts, sites, sizes, headers, log) ─▶ FastAPI ─▶ who asks? ─▶ how often? ─▶ routes ─▶ App
                                                                queries: gate ─▶ worker thread ─▶ cache ─┘
"""
