"""Where the notifier sends: one file for each channel, all behind `port.py`."""
