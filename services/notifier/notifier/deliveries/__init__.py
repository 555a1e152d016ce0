"""Deliveries out: events become rows, rows become tries, until each target has heard or is given up."""
