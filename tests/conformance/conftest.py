"""The marks that SciPy's tests carry."""


def pytest_configure(config):
    for name in (
        "skip_xp_backends",
        "xfail_xp_backends",
        "xfail_on_32bit",
        "fail_slow",
        "slow",
        "xslow",
        "thread_unsafe",
        "parallel_threads_limit",
    ):
        config.addinivalue_line("markers", f"{name}: SciPy's")
