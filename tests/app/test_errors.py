from app import errors


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.strip("│├└─ ").split()
        if len(words) == 3 and words[1].isdigit():
            drawn.append((words[0], int(words[1]), words[2]))
    actual = [(error.__name__, error.status, error.code) for error in errors.all_errors()]
    assert drawn == actual


def test_codes_are_unique_and_titles_there() -> None:
    found = list(errors.all_errors())
    assert len({error.code for error in found}) == len(found)
    assert all(error.title for error in found)


def test_what_may_be_tried_again_says_when() -> None:
    for error in errors.all_errors():
        headers = error("detail").headers
        assert ("Retry-After" in headers) == issubclass(error, errors.Unavailable)
