"""How many places are held out, when they are asked, and what is said where they cannot choose."""

import pytest

from dphr_lab.training.run import Run, WorkerLostError, worker_loss_told
from dphr_lab.training.selection import MOST_VALIDATIONS, selection_note, validation_is_due
from tests.helpers.training import ColouredPlaces, settings


def run_of(places, **options):
    return Run(settings(batch=2, **options), ColouredPlaces(places, drones=1))


@pytest.mark.parametrize(("places", "held_out"), [(5, 0), (15, 0), (49, 0), (50, 5), (64, 6)])
def test_a_tenth_is_held_out_where_it_can_choose(places, held_out):
    run = run_of(places, val_places=None)
    assert len(run.held_out) == held_out
    assert bool(run.notes) == (held_out == 0)


@pytest.mark.parametrize(
    ("held_out", "words"),
    [(0, "too few to hold some out"), (1, "cannot choose an encoder"), (4, "few held-out places")],
)
def test_too_few_places_to_choose_by_are_said(held_out, words):
    asked = settings(val_places=held_out or None)
    assert words in selection_note(asked, 20, held_out)
    assert selection_note(asked, 20, 5) == ""
    for other in (settings(val_places=0), settings(select="last"), settings(select="test")):
        assert selection_note(other, 20, held_out) == ""


class At:
    """Where a run stands, as `validation_is_due` looks at it."""

    def __init__(self, step, epoch_steps, asked):
        self.settings, self.step, self.plan = asked, step, range(epoch_steps)
        self.batch_of_epoch = (step - 1) % epoch_steps + 1


def due(steps, epoch_steps, every=None):
    asked = settings(steps=steps, validate_every=every)
    return [s for s in range(1, steps + 1) if validation_is_due(At(s, epoch_steps, asked))]


def test_validations_come_at_the_end_of_epochs_but_not_without_end():
    assert due(90, 1) == list(range(1, 91))
    assert due(1000, 30) == [*range(30, 1000, 30), 1000]
    assert due(1000, 1) == list(range(10, 1001, 10))
    assert len(due(10_000, 3)) <= MOST_VALIDATIONS + 1
    assert due(30, 4, every=7) == [7, 14, 21, 28, 30]


@pytest.mark.parametrize("epochs", [1e18, 1e300])
def test_epochs_without_end_are_refused_before_they_are_planned(epochs):
    with pytest.raises(
        ValueError, match=r"epochs is 1e.*; expected (at most 1e|a finite number of 1e30 at most)"
    ):
        run_of(6, val_places=0, epochs=epochs)


def test_of_very_many_epochs_the_first_are_counted():
    assert run_of(6, val_places=0, epochs=10**6).settings.steps == 3 * 10**6
    assert run_of(6, val_places=0, epochs=1000).settings.steps == 3000


def test_an_epoch_of_which_nothing_is_left_ends_the_run():
    run = run_of(6, val_places=0)
    run.begin_epoch(0)
    run.batch_of_epoch = len(run.plan) + 1
    with pytest.raises(ValueError, match="no batch is left of 3"):
        next(run.coming_batches())


def test_a_lost_worker_is_one_line_and_other_errors_are_themselves():
    lost = "DataLoader worker (pid 7) is killed by signal: Killed. "
    with pytest.raises(WorkerLostError, match=r"pid 7.*fewer --workers"), worker_loss_told():
        raise RuntimeError(lost)
    with pytest.raises(WorkerLostError, match="Connection reset"), worker_loss_told():
        raise ConnectionResetError(104, "Connection reset by peer")
    with pytest.raises(RuntimeError, match=r"^other$"), worker_loss_told():
        raise RuntimeError("other")


def test_no_more_workers_are_started_than_a_machine_has_use_for(monkeypatch):
    run = run_of(6, val_places=0, workers=500)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    with pytest.warns(UserWarning, match="500 were asked for, 12 are started"):
        assert run._workers() == 12
