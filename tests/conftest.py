"""Settings of the tests: figures without a screen, and the size of the benchmarks."""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_addoption(parser):
    parser.addoption(
        "--benchmark-size",
        choices=("smallest", "full"),
        default="smallest",
        help="tests/benchmarks: 'smallest' checks values in seconds, 'full' measures",
    )


@pytest.fixture(scope="session")
def benchmark_size(request):
    """'smallest' or 'full', as asked for by --benchmark-size."""
    return request.config.getoption("--benchmark-size")
