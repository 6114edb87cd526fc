"""The tree-sitter grammar, as an editor compiles and uses it."""

import ctypes
import pathlib
import re
import subprocess
import warnings

import pytest
from tree_sitter import Language, Parser

ROOT = pathlib.Path(__file__).parents[3]
GRAMMAR = ROOT / "editors/tree-sitter"
FLOWS = sorted([*ROOT.glob("examples/*/*.pmflow"), *ROOT.glob("stdlib/**/*.pmflow"), *ROOT.glob("cli/src/commands/init/*.pmflow")])


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    library = tmp_path_factory.mktemp("grammar") / "pmflow.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O0", "-I", GRAMMAR / "src", GRAMMAR / "src/parser.c", "-o", library], check=True)
    function = ctypes.CDLL(str(library)).tree_sitter_pmflow
    function.restype = ctypes.c_void_p
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Language(function())



def broken(node):
    """The first place that could not be read."""
    if node.is_error or node.is_missing:
        return node
    return next((found for child in node.children if (found := broken(child))), None)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.name)
def test_every_flow_is_read_without_an_error(language, path):
    found = broken(Parser(language).parse(path.read_bytes()).root_node)
    assert found is None, f"{path}:{found.start_point[0] + 1}:{found.start_point[1] + 1}"


def test_the_corpus(language):
    text = (GRAMMAR / "test/corpus/flows.txt").read_text()
    cases = re.findall(r"^=+\n(.+)\n=+\n((?:.|\n)*?)^-{3,}\n((?:.|\n)*?)(?=^={3,}|\Z)", text, re.MULTILINE)
    assert len(cases) >= 3
    for title, source, wanted in cases:
        shown = str(Parser(language).parse(source.encode()).root_node)
        shown = re.sub(r"\w+: ", "", shown)
        assert re.sub(r"\s+", " ", wanted).strip().replace(" )", ")") == shown, title


@pytest.mark.parametrize("name", ["highlights", "injections", "folds", "indents", "locals"])
def test_every_query_names_nodes_of_the_grammar(language, name):
    language.query((GRAMMAR / f"queries/{name}.scm").read_text())


ZED = ROOT / "editors/zed/languages/pmflow"


@pytest.mark.parametrize("name", ["highlights", "injections"])
def test_zed_has_the_queries_of_the_grammar(name):
    assert (ZED / f"{name}.scm").read_text() == (GRAMMAR / f"queries/{name}.scm").read_text()


@pytest.mark.parametrize("name", ["highlights", "injections", "indents", "brackets", "outline"])
def test_every_query_of_zed_names_nodes_of_the_grammar(language, name):
    language.query((ZED / f"{name}.scm").read_text())
