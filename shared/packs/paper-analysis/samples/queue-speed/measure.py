"""Measures both readers, and writes one line for each run."""

import argparse
import random
import time
from collections import deque


def read_one_by_one(queue):
    while queue:
        queue.popleft()


def read_ahead(queue, batch=10):
    while queue:
        for _ in range(min(batch, len(queue))):
            queue.popleft()


def timed(read, size):
    queue = deque(random.random() for _ in range(size))
    started = time.perf_counter()
    read(queue)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    print("reader,size,milliseconds")
    for _ in range(arguments.runs):
        for size in (16, 32, 64):
            print(f"one,{size},{timed(read_one_by_one, size):.4f}")
            print(f"ahead,{size},{timed(read_ahead, size):.4f}")
