"""Prints mean and spread of both readers."""

import csv
import statistics
import sys

if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        rows = list(csv.DictReader(file))
    for reader in ("one", "ahead"):
        values = [float(row["milliseconds"]) for row in rows if row["reader"] == reader]
        print(reader, round(statistics.mean(values), 4), round(statistics.stdev(values), 4))
