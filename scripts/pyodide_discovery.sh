#!/usr/bin/env bash
# Runs discovery/ on CPython 3.14: the interpreter that the npm package pyodide carries, under node. It compares both
# extractors over the standard library in that package, and runs what of tests/discovery needs no pytest.
# The package is kept in $SPEARMINT_PYODIDE, by default a folder of the user's cache. Needs node 18 or newer, and npm.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
release=314
cache=${SPEARMINT_PYODIDE:-${XDG_CACHE_HOME:-$HOME/.cache}/spearmint/pyodide-$release}

if [ ! -f "$cache/node_modules/pyodide/pyodide.mjs" ]; then
  mkdir -p "$cache"
  npm install --prefix "$cache" --no-audit --no-fund --no-save --loglevel=error "pyodide@$release" </dev/null >&2
fi

runner=$(mktemp "${TMPDIR:-/tmp}/discovery-XXXXXX.mjs")
trap 'rm -f "$runner"' EXIT
cat >"$runner" <<'JAVASCRIPT'
import { pathToFileURL } from "node:url";

const [cache, root, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${cache}/node_modules/pyodide/pyodide.mjs`));
const python = await loadPyodide();
const mount = (folder, place) => {
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, place);
};
// A namespace package with this one room: pydantic and wrapt are not there, and must not be asked for.
mount(`${root}/spearmint/discovery`, "/package/spearmint/discovery");
mount(`${root}/benchmarks`, "/benchmarks");
mount(`${root}/tests/discovery`, "/package/tests/discovery");
python.globals.set("options", python.toPy(options));
const status = python.runPython(`
import sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/package", "/benchmarks"]
import parity
from tests.discovery import fast_scan_oracle, samples

if sys.version_info[:2] != (3, 14):
    raise SystemExit(f"Cannot check CPython 3.14: this is {sys.version}")
failures = samples.failures()
print(*failures, sep="\\n", end="\\n" if failures else "")
print(f"samples: {len(samples.every())}, of which {len(failures)} failed")
functions, seen, wrong = fast_scan_oracle.disagreements(parity.standard_library(""))
print(*wrong, sep="\\n", end="\\n" if wrong else "")
print(f"one look is enough for {seen} of {functions} functions, and wrong for {len(wrong)}")
has_reached = fast_scan_oracle.reached() == fast_scan_oracle.REACHED
print(f"a small program reaches what it names: {has_reached}")
parity.main(list(options)) or int(bool(failures or wrong or not has_reached))
`);
process.exit(status);
JAVASCRIPT
node "$runner" "$cache" "$root" "$@"
