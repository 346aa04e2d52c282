"""Real text that every CPython carries: the language reference's topics and docstrings of the standard library."""

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pydoc_data.topics import topics

# Importing these prints nothing, opens nothing and warns of nothing, on any platform and any CPython since 3.11.
MODULES = """
    abc argparse array ast asyncio base64 binascii bisect builtins calendar cmath cmd code codecs collections
    collections.abc concurrent.futures configparser contextlib copy csv dataclasses datetime decimal difflib dis doctest
    email.generator email.header email.headerregistry email.message email.parser email.policy email.utils enum errno
    filecmp fileinput fnmatch fractions ftplib functools gc getopt gettext glob graphlib hashlib heapq hmac html
    html.parser http.client http.cookiejar http.cookies http.server imaplib importlib importlib.abc importlib.machinery
    importlib.metadata importlib.util inspect io ipaddress itertools json linecache locale logging logging.config
    logging.handlers mailbox marshal math mimetypes modulefinder multiprocessing multiprocessing.pool
    multiprocessing.shared_memory netrc numbers operator optparse os os.path pathlib pdb pickle pickletools pkgutil
    platform plistlib poplib pprint pstats pyclbr queue quopri random re reprlib runpy sched secrets selectors shelve
    shlex shutil signal smtplib socket socketserver statistics string struct subprocess symtable sys sysconfig tarfile
    tempfile textwrap threading time timeit tokenize trace traceback tracemalloc types unicodedata unittest
    unittest.mock urllib.parse urllib.request urllib.robotparser uuid warnings wave weakref webbrowser wsgiref.handlers
    wsgiref.headers wsgiref.util xml.dom.minidom xml.etree.ElementTree xml.sax.saxutils xml.sax.xmlreader xmlrpc.client
    xmlrpc.server zipapp zipfile zipimport zoneinfo
""".split()  # noqa: SIM905 - a list would fill three screens


@dataclass(frozen=True, slots=True)
class Document:
    """A piece of documentation, under the name by which people know it."""

    title: str
    body: str


def load_documents() -> list[Document]:
    """Gather the corpus, in the same order every time.

    Texts with the same words, such as an alias or a docstring copied to a subclass, would all be right answers to one
    query: only the first of them is a document.
    """
    documents: dict[tuple[str, ...], Document] = {}
    for document in [*_topics(), *_docstrings()]:
        words = tuple(re.findall(r"\w+", document.body.lower()))
        documents.setdefault(words, document)
    return list(documents.values())


def _topics() -> Iterator[Document]:
    # ``help("NUMBERS")`` shows the topic, ``help("numbers")`` the module.
    for name, body in sorted(topics.items()):
        yield Document(name.upper(), body)


def _docstrings() -> Iterator[Document]:
    for name in MODULES:
        module = importlib.import_module(name)
        yield from _docstring(name, module)
        for title, member in _public_members(name, module):
            if not _comes_from(name, member):
                continue
            yield from _docstring(title, member)
            if isinstance(member, type):
                for method_title, method in _public_members(title, member):
                    yield from _docstring(method_title, method)


def _public_members(title: str, owner: object) -> list[tuple[str, object]]:
    return [(f"{title}.{name}", member) for name, member in sorted(vars(owner).items()) if not name.startswith("_")]


def _comes_from(module: str, member: object) -> bool:
    # ``bisect.bisect_left`` says that it is from ``_bisect``, ``asyncio.sleep`` that it is from ``asyncio.tasks``.
    origin = getattr(member, "__module__", None) or ""
    return origin.lstrip("_").partition(".")[0] == module.partition(".")[0]


def _docstring(title: str, thing: object) -> Iterator[Document]:
    docstring = thing.__doc__
    # An instance, such as ``math.pi``, has only its type's docstring.
    if isinstance(docstring, str) and docstring != type(thing).__doc__:
        yield Document(title, inspect.cleandoc(docstring))
