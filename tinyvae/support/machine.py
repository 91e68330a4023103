"""What concerns the machine and not the mathematics: BLAS threads, freed memory, interrupts, progress bars."""

import contextlib

import numpy as np

SMALL = 2_000_000  # multiplications in the largest product of a step, below which BLAS threads only cost


def keep_freed_memory():
    """Let the C library keep what a step frees for the next one; a third of a MNIST step's time otherwise.

    glibc returns freed memory to the system, and every step pays for it anew in page faults, until the
    program has once freed a block of up to 32 MB: the largest such block is then its measure. The second block
    already comes from the memory that is kept, and NumPy asks Linux for large pages under it. Elsewhere harmless.
    """
    for _ in range(2):
        np.empty(30 << 20, np.uint8)


def blas_threads(model, batch_size):
    """A context: one BLAS thread for small matrices; on 8x8 digits two threads are slower than one."""
    from threadpoolctl import threadpool_limits

    largest = batch_size * max((view.size for view in model.params.values() if view.ndim == 2), default=0)
    return threadpool_limits(1, "blas") if largest < SMALL else contextlib.nullcontext()


@contextlib.contextmanager
def interrupts():
    """A context in which no Ctrl-C is lost: what it gives is to be called now and then, and raises what was swallowed on the way.

    Python runs the handler of a signal wherever it happens to be; in a weak reference's callback or in `__del__`, what the handler
    raises is printed and dropped. So it is kept here as well. Only the main thread has handlers, and those that Python does
    not run, as the default of SIGTERM, cannot be swallowed.
    """
    import signal  # these two here, because the package needs them nowhere else
    import threading

    raised, numbers = [], (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    old = {number: signal.getsignal(number) for number in numbers if callable(signal.getsignal(number))}
    kept = {number: _keeping(handler, raised) for number, handler in old.items()}

    def look():
        if raised:
            raise raised[0]

    try:
        for number, handler in kept.items():
            signal.signal(number, handler)
        yield look
        look()
    finally:
        for number, handler in kept.items():
            if signal.getsignal(number) is handler:  # else somebody has set another since
                signal.signal(number, old[number])


def _keeping(handler, raised):
    """The same handler; what it raises is also appended to `raised`."""

    def keeping(number, frame):
        try:
            return handler(number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    return keeping


def progress_bar(total, show, unit="step"):
    """A tqdm bar, silent unless `show`; without it the notebook's variant is not even looked for."""
    if show:
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm

    return tqdm(total=total, disable=not show, unit=unit, leave=False, dynamic_ncols=True)
