import pytest

from movie_cli.batch import Result
from movie_cli.errors import DeviceError, MovieError, SourceError


@pytest.mark.parametrize("kind", [MovieError, SourceError, DeviceError])
def test_a_result_gives_back_the_error_it_was_made_of(kind):
    error = Result.of_error(kind("it broke", "mend it")).error()
    assert (type(error), str(error), error.hint) == (kind, "it broke", "mend it")
