"""For all tests: one BLAS thread. Their matrices are small, and threads that wait for one another on a busy machine cost most of the time."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    with threadpool_limits(1, "blas"):
        yield
