#!/usr/bin/env bash
# Runs both rewriters on CPython 3.14: the interpreter that the npm package pyodide carries, under node; see
# pyodide_discovery.sh, which fetches it. `bytecode`, which is plain Python, comes from the environment of $PYTHON.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
release=314
cache=${SPEARMINT_PYODIDE:-${XDG_CACHE_HOME:-$HOME/.cache}/spearmint/pyodide-$release}
bytecode=$("${PYTHON:-python}" -c 'import bytecode, os; print(os.path.dirname(bytecode.__file__))')

if [ ! -f "$cache/node_modules/pyodide/pyodide.mjs" ]; then
  mkdir -p "$cache"
  npm install --prefix "$cache" --no-audit --no-fund --no-save --loglevel=error "pyodide@$release" </dev/null >&2
fi

runner=$(mktemp "${TMPDIR:-/tmp}/rewriting-XXXXXX.mjs")
trap 'rm -f "$runner"' EXIT
cat >"$runner" <<'JAVASCRIPT'
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [cache, root, bytecode] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${cache}/node_modules/pyodide/pyodide.mjs`));
const python = await loadPyodide();
const mount = (folder, place) => {
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, place);
};
// A namespace package with these rooms: pydantic and wrapt are not there, and must not be asked for.
mount(`${root}/spearmint/discovery`, "/package/spearmint/discovery");
mount(`${root}/spearmint/instrument`, "/package/spearmint/instrument");
mount(`${root}/tests/instrument`, "/package/tests/instrument");
mount(bytecode, "/package/bytecode");
for (const name of ["signatures.py", "suggest.py"]) {
  python.FS.writeFile(`/package/spearmint/${name}`, readFileSync(`${root}/spearmint/${name}`));
}
const status = python.runPython(`
import sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/package"]
from tests.instrument import shapes, shapes_py312

if sys.version_info[:2] != (3, 14):
    raise SystemExit(f"Cannot check CPython 3.14: this is {sys.version}")
failures = [*shapes.failures(), *shapes_py312.failures()]
print(*failures, sep="\\n", end="\\n" if failures else "")
print(f"definitions: {len(shapes.DECLARED)} through each of {len(shapes.DOORS)} doors, {len(failures)} failures")
int(bool(failures))
`);
process.exit(status);
JAVASCRIPT
node "$runner" "$cache" "$root" "$bytecode"
