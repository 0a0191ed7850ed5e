import pytest

from models.config import MODEL_NAMES
from service.errors import Invalid, NotFound
from service.protocols import names
from service.protocols.names import Name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("triples", Name("triples", None)),
        ("cross", Name("triples", "cross")),
        ("triples.dense", Name("triples", "dense")),
        ("houses", Name("houses", None)),
        ("a-b_3.cross", Name("a-b_3", "cross")),
        ("n" * 64, Name("n" * 64, None)),
    ],
)
def test_a_name_says_which_network_of_which_dataset(text: str, name: Name) -> None:
    assert names.read(text) == name


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".cross", "a.b", "a.cross.dense", "Houses", "a/b", "a\n", "n" * 65]
)
def test_what_can_be_no_name_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        names.read(text)


@pytest.mark.parametrize("dataset", ["triples", "houses"])
@pytest.mark.parametrize("network", [None, *MODEL_NAMES])
def test_what_a_model_is_called_is_read_as_that_model(dataset: str, network: None) -> None:
    name = Name(dataset, network)
    assert names.read(str(name)) == name


def test_a_network_of_triples_is_called_as_briefly_as_can_be() -> None:
    assert str(Name("triples", "cross")) == "cross"
    assert str(Name("triples", None)) == "triples"


def test_a_version_is_a_number_or_a_label() -> None:
    assert names.version_of(None) is None
    assert names.version_of("7") == names.version_of("007") == 7
    assert names.version_of(None, "serving") is None
    assert names.version_of(None, "previous") == "previous"


@pytest.mark.parametrize("number", ["x", "", "-1", "1.0", "1e3", "٣", "1" * 5000, "1\n"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(Invalid, match="whole number"):
        names.version_of(number)


@pytest.mark.parametrize("number", ["0", "9007199254740992"])
def test_a_number_of_no_version_is_not_found(number: str) -> None:
    with pytest.raises(NotFound):
        names.version_of(number)


def test_another_label_is_refused_in_the_words_of_tensorflow_serving() -> None:
    with pytest.raises(Invalid, match=r"^Unrecognized servable version label: stable$"):
        names.version_of(None, "stable")
