"""The control socket of a running filter (option -C): where it is, who may ask at once, and what is answered.

`place` finds and makes the socket, `http` reads a request and writes the head of an answer, `server` serves it without
ever holding mail up, `document` says what a filter tells of itself, `openmetrics` makes text of that for Prometheus,
and `client` asks (filterctl(8)). What is told comes from `filter_api.runtime.controlling`.
"""
