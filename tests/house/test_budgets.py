"""Small pages: a function's body within 60 lines (aim for 10), a file within 400 (aim for 150)."""

import ast

from tests.house.source import functions, pages

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400

# Each by name, with the reason; a name that no longer needs to be here has to go.
LONG_FUNCTIONS: dict[str, str] = {}
LONG_FILES: dict[str, str] = {}


def test_functions_keep_to_their_budget():
    long = {
        f"{page.name}::{name}": lines
        for page in pages("src", "tests")
        for name, node in functions(page)
        if (lines := body_lines(node)) > FUNCTION_LINES_MAX
    }
    assert {name: lines for name, lines in long.items() if name not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) - set(long) == set(), "short again: take it off the list"


def test_files_keep_to_their_budget():
    long = {page.name: lines for page in pages("src", "tests") if (lines := page.text.count("\n")) > FILE_LINES_MAX}
    assert {name: lines for name, lines in long.items() if name not in LONG_FILES} == {}
    assert set(LONG_FILES) - set(long) == set(), "short again: take it off the list"


def test_counts_what_is_there():
    tree = ast.parse("def f():\n    '''Say.\n\n    More.\n    '''\n    a = 1\n\n    return a\n")
    assert body_lines(tree.body[0]) == 3
    assert len(pages("src")) > 50


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of the body without its docstring: explaining is free."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0
