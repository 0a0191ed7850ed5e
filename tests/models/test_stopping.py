import numpy as np

from models.stopping import DIVERGED, BestEpochs, Course

BEFORE = np.array([-1.0, -2.0])


def followed(patience: int | None, *validation_losses: tuple[float, float]) -> BestEpochs:
    # After epoch n the weights of the first start are n, those of the second 10 n.
    best = BestEpochs([BEFORE], patience)
    for epoch, losses in enumerate(validation_losses, start=1):
        best.add(np.array([epoch, epoch + 0.5]), np.array(losses), [np.array([epoch, 10 * epoch])])
    return best


def test_each_start_keeps_the_weights_of_its_own_best_epoch() -> None:
    best = followed(None, (3, 5), (1, 4), (2, 3))
    assert best.weights[0].tolist() == [2, 30]
    assert best.courses() == [
        Course([1, 2, 3], [3, 1, 2], 2),
        Course([1.5, 2.5, 3.5], [5, 4, 3], 3),
    ]
    assert best.running.all()


def test_a_start_ends_after_so_many_epochs_without_a_smaller_loss() -> None:
    epochs = [(3.0, 9.0), (4.0, 8.0), (3.0, 7.0), (1.0, 6.0)]
    assert followed(2, *epochs[:2]).running.tolist() == [True, True]
    assert followed(2, *epochs[:3]).running.tolist() == [False, True]


def test_what_comes_after_the_end_of_a_start_does_not_count() -> None:
    best = followed(2, (3, 9), (4, 8), (3, 7), (1, 6))
    assert best.weights[0].tolist() == [1, 40]
    assert best.courses()[0] == Course([1, 2, 3], [3, 4, 3], 1)
    assert len(best.courses()[1].losses) == 4


def test_a_smaller_loss_begins_the_wait_anew() -> None:
    best = followed(2, (3, 3), (4, 4), (2, 4), (3, 1))
    assert best.running.tolist() == [True, False]


def test_losses_that_are_no_numbers_are_never_the_best() -> None:
    best = followed(None, (np.nan, np.inf), (2, np.nan))
    assert best.weights[0].tolist() == [2, -2]
    first, second = best.courses()
    assert first == Course([1, 2], [DIVERGED, 2], 2)
    assert second == Course([1.5, 2.5], [DIVERGED, DIVERGED], 0)
