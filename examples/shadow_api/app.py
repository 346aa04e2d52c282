"""A service that corrects misspelt module names, with a second algorithm tried in its shadow."""

import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any, Literal

from fastapi import FastAPI

import spearmint
from spearmint import Config, Spearmint
from spearmint.integrations.asgi import RuntimeContextMiddleware

NAMES = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
SHARE = 0.5  # of the users
LAST_WAIT = 30.0  # seconds that a shutdown waits for variants and traces

Method = Literal["difflib", "trigrams"]


def shadow_for_some(configs: list[Config], attributes: Mapping[str, Any]) -> tuple[Config, Sequence[Config]]:
    """Give everybody the first config, and run the others in its shadow for some users, the same at each visit."""
    user = str(attributes.get("user_id", ""))
    is_chosen = zlib.crc32(user.encode()) % 100 < SHARE * 100
    return configs[0], configs[1:] if is_chosen else ()


def agree(main: list[str], variant: list[str]) -> bool:
    """Tell whether two lists of suggestions begin with the same."""
    return main[:1] == variant[:1]


mint = Spearmint(
    configs=[{"method": "difflib"}, {"method": "trigrams"}],
    bindings={"method": "method"},
    strategy=shadow_for_some,
    compare=agree,
    tracing=True,
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Before the server ends, let what runs in the background end."""
    yield
    await spearmint.aflush(LAST_WAIT)


app = FastAPI(lifespan=lifespan)
app.add_middleware(RuntimeContextMiddleware, headers={"x-user-id": "user_id"})


@app.get("/suggest")
def read_suggestions(name: str, limit: int = 3) -> list[str]:
    """Return the names that come closest to a misspelt one."""
    return suggest(name, limit)


# Not the route itself: a parameter of a route is filled from the request, and what a caller passes wins.
@mint.experiment()
def suggest(name: str, limit: int, method: Method = "difflib") -> list[str]:
    """Return the names that come closest to a misspelt one, by the method of the config."""
    if method == "difflib":
        return get_close_matches(name, NAMES, limit)
    wanted = trigrams(name)
    scores = {candidate: overlap(wanted, trigrams(candidate)) for candidate in NAMES}
    found = sorted((candidate for candidate in NAMES if scores[candidate]), key=scores.__getitem__, reverse=True)
    return found[:limit]


@app.get("/stats")
def stats() -> dict[str, dict[str, int]]:
    """Tell what became of variants and traces."""
    return {"variants": asdict(spearmint.background_stats()), "traces": asdict(spearmint.tracing_stats())}


def trigrams(name: str) -> Counter[str]:
    """Return the parts of three letters, with the ends marked."""
    marked = f"  {name} "
    return Counter(marked[start : start + 3] for start in range(len(marked) - 2))


def overlap(one: Counter[str], other: Counter[str]) -> float:
    """Return the share of parts that two names have in common, from 0 to 1 (the Dice coefficient)."""
    return 2 * (one & other).total() / (one.total() + other.total())
