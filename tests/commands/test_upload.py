import pytest

from service.commands.upload import dataset_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("houses.csv", "houses"),
        ("Houses 2024.csv.gz", "houses-2024"),
        ("_preise_(neu).tsv", "preise_-neu"),
        ("Häuser", "h-user"),
        ("表.csv", "table"),
        (".csv", "table"),
        ("a" * 99, "a" * 64),
    ],
)
def test_a_dataset_is_called_like_its_file(file: str, name: str) -> None:
    assert dataset_name(file) == name
