"""The dashboards, written as values and turned into Grafana's JSON: `make dashboards`.

`page.py` has the words that dashboards are written in; each dashboard is a file; `drawing.py` makes Grafana's JSON.
"""
