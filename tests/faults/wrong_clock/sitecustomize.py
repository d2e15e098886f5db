"""Python reads this at its start when this folder is on PYTHONPATH: the wall clock of the process is off by so much.

faketime shifts the monotonic clock too, or breaks `time.sleep` when told not to; here every wait keeps its length.
"""

import os
import time

AHEAD_S = int(os.environ["CLOCK_AHEAD_S"])
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + AHEAD_S
time.time_ns = lambda: _time_ns() + AHEAD_S * 10**9
