"""What the service knows: docstrings of the standard library, which every CPython carries."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass

# Importing these prints nothing, opens nothing and warns of nothing.
MODULES = """
    argparse bisect calendar collections contextlib copy csv datetime decimal difflib email.message email.utils
    fractions functools glob heapq hashlib html http.client http.cookies inspect io itertools json logging math
    mimetypes operator os os.path pathlib pickle pprint queue random re sched secrets shelve shlex shutil socket
    statistics string struct subprocess sys tarfile tempfile textwrap threading time traceback types unicodedata
    urllib.parse urllib.request uuid warnings weakref xml.dom.minidom xml.etree.ElementTree zipfile
""".split()  # noqa: SIM905 - a list would fill two screens
SHORTEST_QUESTION, SHORTEST_TEXT = 5, 12  # words


@dataclass(frozen=True, slots=True)
class Document:
    """What the documentation says of one thing.

    Attributes:
        title: The name by which people know it.
        question: The first line of its docstring, by which people ask for it.
        text: The rest, which alone is searched.
    """

    title: str
    question: str
    text: str


def load_documents() -> list[Document]:
    """Gather the documents, in the same order every time; of equal ones the first."""
    found: dict[str, Document] = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for title, member in _members(name, module):
            for document in _documents(title, member):
                found.setdefault(document.question, document)
    return list(found.values())


def _members(prefix: str, owner: object) -> Iterator[tuple[str, object]]:
    """Yield the public functions and classes that an object has, and those of the classes."""
    for name, member in sorted(vars(owner).items()):
        if name.startswith("_") or not callable(member):
            continue
        yield f"{prefix}.{name}", member
        if isinstance(member, type) and not isinstance(owner, type):
            yield from _members(f"{prefix}.{name}", member)


def _documents(title: str, member: object) -> Iterator[Document]:
    docstring = member.__doc__
    if not isinstance(docstring, str) or docstring == type(member).__doc__:
        return
    question, _, text = inspect.cleandoc(docstring).partition("\n\n")
    question = " ".join(question.split())
    if len(question.split()) >= SHORTEST_QUESTION and len(text.split()) >= SHORTEST_TEXT:
        yield Document(title, question, text)
