"""The size that exports of these tests have."""

SIZE = (96, 64)
