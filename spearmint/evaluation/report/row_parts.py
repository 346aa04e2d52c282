"""Rows and outputs of a page's table in parts, each of which a page reads once it shows one of its rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from spearmint.evaluation.report.labels import cut

LONGEST_BEGINNING = 400
_PART_BYTES = 2_000_000


class Output(NamedTuple):
    """An output as a page shows it.

    Attributes:
        text: The whole of it, or its beginning, without secrets.
        digest: What it is recognised by, in hexadecimal digits; None where that is not known.
    """

    text: str
    digest: str | None


class Parts:
    """Collects rows and outputs; of equal outputs each part has one.

    Args:
        most: Bytes that the page may hold, less what is reserved; where all is to be kept there, of outputs.
        write: Writes a part to a file of its own, and returns where the page finds it; None to keep all on the page.
        most_written: Bytes of outputs that such files may hold.

    Attributes:
        names: Where each part is, once all are closed; None for one that the page holds.
        held: The parts that the page holds, as JSON, by their numbers.
        shortened: How many outputs are there with their beginnings alone, for want of room.
        refused: How many are not there at all.
    """

    def __init__(self, most: int, *, write: Callable[[str], str] | None, most_written: int) -> None:
        self._most = most
        self._write = write
        self._room = most if write is None else most_written
        self._size = 0  # of the parts that the page holds
        self._part_size = 0
        self._rows: list[str] = []
        self._outputs: list[str] = []
        self._places: dict[str, int] = {}
        self.names: list[str | None] = []
        self.held: dict[int, str] = {}
        self.shortened = 0
        self.refused = 0

    def add(self, number: int, given: Mapping[str, Any], outputs: Sequence[Output | None]) -> tuple[int, list[Any]]:
        """Add a row.

        Args:
            number: Its number.
            given: Its inputs and expectations.
            outputs: One for each case.

        Returns:
            The number of the part that it is in, and the place of each output in it; None where there is none.
        """
        if self._part_size > _PART_BYTES:
            self._end_part()
        text = f'"{number}":{json_text(given)}'
        self._rows.append(text)
        self._part_size += size_of(text)
        return len(self.names), [None if one is None else self._place(one) for one in outputs]

    def reserve(self, size: int) -> None:
        """Take room on the page for something else, as many bytes as given."""
        self._most -= size

    def close(self) -> None:
        """End the last part."""
        if self._rows:
            self._end_part()

    def _place(self, output: Output) -> int | None:
        key = output.digest or f"={output.text}"
        if (found := self._places.get(key)) is not None:
            return found
        text = json_text(output)
        if size_of(text) > self._room and len(output.text) > LONGEST_BEGINNING:
            text = json_text(output._replace(text=cut(output.text, LONGEST_BEGINNING)))
            self.shortened += 1
        size = size_of(text)
        if size > self._room:
            self.refused += 1
            return None
        self._room -= size
        self._part_size += size
        self._places[key] = len(self._outputs)
        self._outputs.append(text)
        return self._places[key]

    def _end_part(self) -> None:
        part = f'{{"rows":{{{",".join(self._rows)}}},"outputs":[{",".join(self._outputs)}]}}'
        self._rows, self._outputs, self._places, self._part_size = [], [], {}, 0
        self.held[len(self.names)] = part
        self.names.append(None)
        self._size += size_of(part)
        if self._write is not None and self._size > self._most:
            for number, text in self.held.items():
                self.names[number] = self._write(text)
            self.held.clear()


def json_text(value: Any) -> str:
    """Return JSON that ends no script element and opens no comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def size_of(text: str) -> int:
    """Return how many bytes a text takes in a file."""
    return len(text.encode("utf-8", "backslashreplace"))
