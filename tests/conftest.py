"""For all tests."""

import signal

# A job that a script puts into the background ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
