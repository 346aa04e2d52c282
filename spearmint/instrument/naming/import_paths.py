"""Names of constants and class attributes, followed through imports to where they are defined, without running any."""

from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.naming.bound_values import BoundNames, ImportedAttribute
from spearmint.instrument.naming.public_path import PublicPaths
from spearmint.instrument.naming.static_modules import UNREADABLE, code_for_reading, find_module

_MOST_HOPS = 20


class ImportPaths:
    """Follows names through imports alone: what is computed of a value is another value.

    Args:
        paths: What follows classes to their bases.
    """

    def __init__(self, paths: PublicPaths | None = None) -> None:
        self._paths = PublicPaths() if paths is None else paths
        self._bound: dict[str, BoundNames | None] = {}

    def place_of(self, module: str, name: str) -> tuple[str, str]:
        """Return the module that defines a constant or class attribute, and its name there.

        Args:
            module: A module that has the name.
            name: The name, of an attribute with its class.
        """
        root, dot, rest = name.partition(".")
        module, root = self._followed(module, root)
        if rest:
            places = [one for one in self._paths.definitions_of(module, f"{root}.{rest}") if not one.is_seen]
            if len(places) == 1:
                return places[0].module, places[0].name
        return module, f"{root}{dot}{rest}"

    def place_of_path(self, path: str) -> tuple[str, str] | None:
        """Return the same for a dotted path from the top of a package; None where it leads through no module."""
        parts = path.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:length])
            if self._read(module) is not None:
                return self.place_of(module, ".".join(parts[length:]))
        return None

    def _followed(self, module: str, name: str) -> tuple[str, str]:
        for _ in range(_MOST_HOPS):
            bound = self._read(module)
            if bound is None:
                break
            held = bound.names.get(name)
            if held is None:
                star = next((one for one in reversed(bound.stars) if self._has(one, name)), None)
                if star is None:
                    break
                module = star
            elif len(held) == 1 and isinstance(held[0], ImportedAttribute):
                module, name = held[0].module, held[0].name
            else:
                break
        return module, name

    def _has(self, module: str, name: str, seen: frozenset[str] = frozenset()) -> bool:
        bound = None if module in seen else self._read(module)
        if bound is None or name in bound.names:
            return bound is not None
        return any(self._has(star, name, seen | {module}) for star in bound.stars)

    def _read(self, module: str) -> BoundNames | None:
        if module not in self._bound:
            self._bound[module] = _bound_in(module)
        return self._bound[module]


def _bound_in(module: str) -> BoundNames | None:
    spec = find_module(module)
    try:
        code = None if spec is None or spec.loader is None else code_for_reading(spec)
    except UNREADABLE:
        code = None
    if spec is None or code is None:
        return None
    is_package = spec.submodule_search_locations is not None
    return names_bound_in(code, module if is_package else module.rpartition(".")[0])
