"""The notifier's door for those who ask: Alertmanagers, operators, Prometheus."""
