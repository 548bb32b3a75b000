"""What kernels need to run, besides their code: memory."""
