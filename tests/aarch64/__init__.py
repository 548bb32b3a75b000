"""fastconv on an emulated aarch64 CPU: `python -m tests.aarch64`, on x86-64 with Debian's apt."""
