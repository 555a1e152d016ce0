from collections import deque

from measure import read_ahead


def test_reading_ahead_reads_everything():
    queue = deque(range(25))
    read_ahead(queue)
    assert not queue
