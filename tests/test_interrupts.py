"""Layer 4, interrupts: a Ctrl-C ends training wherever it falls, and the handlers are then as they were."""

import signal
import sys
import threading
import weakref

import numpy as np
import pytest
from siamese import Siamese, fit

from tinyvae import VAE
from tinyvae.app.cli import main


class Thing:
    pass


def swallowed(number):
    """Let a signal come while a weak reference is called back, where what its handler raises is printed and dropped."""

    def callback(_):
        signal.raise_signal(number)
        for _ in range(100):  # the handler runs between two of these, if not before
            pass

    thing = Thing()
    reference = weakref.ref(thing, callback)
    del thing
    assert reference() is None


class Interrupted(Siamese):
    """A signal comes while the first step of epoch 2 draws its noise."""

    number, steps = signal.SIGINT, 0

    def draw_noise(self, rng, batch):
        self.steps += 1
        if self.steps == 9:  # 8 batches are an epoch
            swallowed(self.number)
        return super().draw_noise(rng, batch)


@pytest.fixture
def dropped(monkeypatch):
    """The types of the exceptions that Python drops; afterwards the handlers are as they were."""
    found, handlers = [], {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: found.append(unraisable.exc_type))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets programs in the background ignore it
    yield found
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_swallowed_interrupt_ends_training_at_its_step(tmp_path, dropped):
    before, model, part, whole = signal.getsignal(signal.SIGINT), Interrupted(), Interrupted(), Siamese()
    with pytest.raises(KeyboardInterrupt):
        fit(model, 4, checkpoint=tmp_path / "c.npz")
    assert dropped == [KeyboardInterrupt] and (model.steps, model.epoch) == (9, 1)
    assert signal.getsignal(signal.SIGINT) is before
    part.steps = 99  # no signal comes any more
    fit(part, 4, checkpoint=tmp_path / "c.npz", resume=True)
    fit(whole, 4)
    assert np.array_equal(part.theta, whole.theta)


def test_an_interrupt_that_is_swallowed_after_the_last_step_ends_fit_too(dropped):
    with pytest.raises(KeyboardInterrupt):
        fit(Siamese(), 1, on_epoch=lambda model, history: swallowed(signal.SIGINT))
    assert dropped == [KeyboardInterrupt]


def test_a_handler_of_ones_own_says_what_a_signal_does(dropped):
    def leave(number, frame):
        raise SystemExit(number)

    came = []
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    model = Interrupted()
    assert fit(model, 3)["epoch"] == [1, 2, 3] and came == [signal.SIGINT], "a handler that raises nothing ends nothing"
    model = Interrupted()
    model.number = signal.SIGTERM
    with pytest.raises(SystemExit, match=str(int(signal.SIGTERM))):
        fit(model, 3)
    assert dropped == [SystemExit] and signal.getsignal(signal.SIGTERM) is leave
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    fit(Siamese(), 1, on_epoch=lambda *_: came.append(signal.getsignal(signal.SIGTERM)))
    assert came[1:] == [signal.SIG_DFL], "what Python does not run is not touched"


def test_a_handler_that_is_set_on_the_way_stays_and_other_threads_set_none(dropped):
    def later(number, frame):
        raise AssertionError

    fit(Siamese(), 1, on_epoch=lambda *_: signal.signal(signal.SIGINT, later))
    assert signal.getsignal(signal.SIGINT) is later
    histories = []
    thread = threading.Thread(target=lambda: histories.append(fit(Siamese(), 1, on_epoch=lambda *_: histories.append(signal.getsignal(signal.SIGINT)))))
    thread.start()
    thread.join()
    assert histories[0] is later and histories[1]["epoch"] == [1]


def test_the_command_line_ends_as_interrupted(tmp_path, dropped, monkeypatch, capsys):
    steps, draw_noise = [], VAE.draw_noise

    def interrupted(self, rng, batch):
        steps.append(self.epoch)
        if len(steps) == 20:
            swallowed(signal.SIGTERM)
        return draw_noise(self, rng, batch)

    monkeypatch.setattr(VAE, "draw_noise", interrupted)
    assert main(["train", "--epochs", "3", "--quiet", "--out", str(tmp_path / "r")]) == 128 + signal.SIGTERM
    assert dropped == [KeyboardInterrupt] and steps[-1] == 1 and len(steps) == 20
    assert "holds epoch 1; go on with" in capsys.readouterr().err
