"""Running a checkpoint's networks on a device: one protocol, one module a runtime."""
