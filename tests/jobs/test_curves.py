from service.jobs.curves import Course, Losses, curves_of

Numbers = list[float | None]


def course(epochs: int, width: int, least: Numbers, greatest: Numbers) -> Course:
    return Course(
        network="cross",
        repeat=1,
        start=2,
        seed=43,
        split="train",
        outcome="kept",
        epochs=epochs,
        width=width,
        least=least,
        greatest=greatest,
    )


def test_points_say_which_epochs_they_are_of() -> None:
    courses = [course(5, 2, [3.0, 2.0, 1.0], [4.0, None, 1.5]), course(2, 1, [2.0, None], [])]
    told = curves_of("a job", Losses(unit="cross-entropy", courses=courses))
    assert (told.job_id, told.unit) == ("a job", "cross-entropy")
    wide, fine = told.curves
    assert (wide.network, wide.start, wide.seed, wide.outcome) == ("cross", 2, 43, "kept")
    assert wide.points == [(1, 2, 3.0, 4.0), (3, 4, 2.0, None), (5, 5, 1.0, 1.5)]
    assert fine.points == [(1, 1, 2.0, 2.0), (2, 2, None, None)]


def test_a_job_that_has_not_trained_yet_has_no_curves() -> None:
    told = curves_of("a job", None)
    assert (told.unit, told.curves) == (None, [])
