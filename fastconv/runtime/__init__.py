"""How code is compiled and kept, where its memory comes from, and how threads share it."""
