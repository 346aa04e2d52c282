"""``spearmint run``: a program sees and does what it does under ``python``, with experiments in it."""

import py_compile
import signal
import sys
import zipapp
import zipfile

import pytest

pytestmark = pytest.mark.slow

REPORT = """
    import sys
    print(__name__, sys.argv, sys.path[0], __file__, __package__, __spec__ and __spec__.name)
    print(sorted(globals()), __builtins__.__name__, getattr(__loader__, "name", None))
    print(sys.modules["__main__"].__dict__ is globals())
"""
FAIL = """
    import helper
    def fail():
        helper.call(lambda: 1 / 0)
    fail()
"""
HELPER = """
    def call(f):
        return f()
    def g(k=1):
        return k
"""


@pytest.fixture
def programs(write, folder):
    write(
        spearmint___yaml="packages: [pkg, helper]",
        report___py=REPORT,
        fail___py=FAIL,
        helper___py=HELPER,
        exits___py="import sys; print('bye'); sys.exit(sys.argv[1] if sys.argv[1].isalpha() else int(sys.argv[1]))",
        broken___py="x = 1\ndef f(:\n",
        imports_broken___py="import broken",
        interrupted___py="raise KeyboardInterrupt",
        group___py="raise ExceptionGroup('all', [ValueError('one'), TypeError('two')])",
        hooked___py="import sys; sys.excepthook = lambda *args: print('seen', args[0].__name__); 1 / 0",
        bad_hook___py="import sys; sys.excepthook = lambda *args: nothing; 1 / 0",
        at_exit___py="import atexit; atexit.register(print, 'last'); raise SystemExit(None)",
        thread___py="""
            from threading import Thread, main_thread
            Thread(target=lambda: (main_thread().join(), print("done"))).start()
            print("end")
        """,
        asserts___py="assert False, 'checked'\nprint('skipped')",
        stdin___py="print(input().upper())",
        warns___py="import warnings; warnings.warn('old', DeprecationWarning)",
        clicks___py="import click; print(click.get_current_context(silent=True))",
        sub__deep___py=REPORT,
        folder____main_____py="",
    )
    for name, text in {"pkg/__init__.py": "", "pkg/__main__.py": REPORT, "app/__main__.py": REPORT}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        write(now___py=text)
        (folder / "now.py").rename(path)
    (folder / "link.py").symlink_to(folder / "sub" / "deep.py")
    zipapp.create_archive(folder / "app", folder / "app.pyz")
    py_compile.compile(str(folder / "report.py"), cfile=str(folder / "compiled.pyc"))
    return folder


@pytest.fixture
def both(programs, start):
    """What a program does under ``python`` and under ``spearmint run``: status, stdout and stderr."""

    def run_both(*args, flags=(), **options):
        plain = start(*flags, *args, **options)
        ours = start(*flags, "-m", "spearmint", "run", *args, **options)
        return tuple((done.returncode, done.stdout, done.stderr) for done in (plain, ours))

    return run_both


@pytest.mark.parametrize(
    "args",
    [
        ["report.py"],
        ["report.py", "--config", "x", "-m", "y", "--", "-h"],
        ["./sub/../report.py", "a"],
        ["link.py"],
        ["-m", "report", "--flag", "x"],
        ["-mreport"],
        ["-m", "pkg", "-h"],
        ["-m", "pkg.__main__"],
        ["app", "a"],
        ["app.pyz", "a"],
        ["compiled.pyc"],
    ],
)
def test_a_program_sees_what_it_sees_under_python(both, args):
    plain, ours = both(*args)
    assert plain[0] == 0
    assert ours == plain


@pytest.mark.parametrize(
    "args",
    [
        ["exits.py", "3"],
        ["exits.py", "0"],
        ["exits.py", "words"],
        ["fail.py"],
        ["-m", "fail"],
        ["broken.py"],
        ["imports_broken.py"],
        ["-m", "nowhere"],
        ["-m", "pkg.nowhere"],
        ["group.py"],
        ["hooked.py"],
        ["at_exit.py"],
        ["thread.py"],
        ["interrupted.py"],
        ["warns.py"],
        ["clicks.py"],
    ],
)
def test_program_ends_as_under_python_with_a_clean_traceback(both, args):
    plain, ours = both(*args)
    assert ours == plain


def test_an_excepthook_that_fails_is_told_with_both_errors(both):
    plain, ours = both("bad_hook.py")
    assert ours[0] == plain[0] == 1
    for _, _, told in (plain, ours):
        assert [line for line in told.splitlines() if line and not line.startswith((" ", "Traceback"))] == [
            "Error in sys.excepthook:",
            "NameError: name 'nothing' is not defined",
            "Original exception was:",
            "ZeroDivisionError: division by zero",
        ]
        assert "spearmint" not in told


def test_the_interpreter_s_own_flags_hold(both):
    assert both("asserts.py", flags=["-O"])[1] == (0, "skipped\n", "")
    plain, ours = both("report.py", flags=["-P"])
    assert ours[1] == plain[1]


TEXT = """
import sys
def f(k=0): return k
print(__name__, sys.argv, repr(sys.path[0]), f(), f(1))
print(sorted(globals()), __loader__, globals().get("__file__"))
"""


@pytest.mark.parametrize("args", [["-c", TEXT], ["-c" + TEXT.strip(), "-m", "x"], ["-c", TEXT, "--config", "a"]])
def test_code_given_as_text_runs_as_under_python(both, args):
    plain, ours = both(*args)
    assert plain[0] == 0
    assert ours == plain


@pytest.mark.parametrize("args", [["-"], ["-", "a", "-c", "b"]])
def test_a_program_on_stdin_runs_as_under_python(both, args):
    plain, ours = both(*args, input=TEXT)
    assert plain[0] == 0
    assert ours == plain


@pytest.mark.parametrize("text", ["def f():\n    1 / 0\nf()", "x = = 1", "raise SystemExit(3)", "input()"])
def test_code_given_as_text_ends_as_under_python(both, text):
    for plain, ours in (both("-c", text, input=""), both("-", input=text)):
        assert ours == plain


@pytest.mark.parametrize("how", ["-c", "-"])
def test_functions_of_code_given_as_text_are_targets(programs, write, start, how):
    write(spearmint___yaml=SETTINGS)
    args = {"args": ["-c", TEXT]} if how == "-c" else {"args": ["-", "x"], "input": TEXT}
    done = start("-m", "spearmint", "run", *args.pop("args"), **args)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].endswith(" 5 1")


def test_stdin_is_the_program_s(both):
    plain, ours = both("stdin.py", input="hello\n")
    assert ours == plain == (0, "HELLO\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupted_program_ends_by_the_signal(both):
    assert both("interrupted.py")[1][0] == -signal.SIGINT


SETTINGS = """
    experiments:
      - {target: "__main__:f", configs: [{k: 5}], bindings: {k: k}}
      - {target: "helper:g", configs: [{k: 7}], bindings: {k: k}}
      - {target: "pkg.tool:f", configs: [{k: 9}], bindings: {k: k}}
"""
USES = """
    import helper
    def f(k=0):
        return k
    print(f(), helper.g(), f(1))
"""


def test_script_and_its_imports_run_under_their_configs(programs, write, start):
    write(spearmint___yaml=SETTINGS, uses___py=USES)
    done = start("-m", "spearmint", "run", "uses.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5 7 1\n", "")
    assert not [path for path in programs.glob("__pycache__/*") if path.name.startswith("uses")]


def test_a_module_that_is_run_is_known_by_its_own_name(programs, write, start):
    write(spearmint___yaml=SETTINGS, pkg__tool___py=USES)
    done = start("-m", "spearmint", "run", "-m", "pkg.tool")
    assert (done.returncode, done.stdout, done.stderr) == (0, "9 7 1\n", "")


def test_sourceless_and_zipped_scripts_run_under_their_configs(programs, write, start):
    write(spearmint___yaml=SETTINGS, uses___py=USES, zipped____main_____py="")
    py_compile.compile(str(programs / "uses.py"), cfile=str(programs / "uses.pyc"))
    assert start("-m", "spearmint", "run", "uses.pyc").stdout == "5 7 1\n"
    (programs / "zipped").mkdir(exist_ok=True)
    (programs / "zipped" / "__main__.py").write_text((programs / "uses.py").read_text())
    (programs / "zipped" / "helper.py").write_text((programs / "helper.py").read_text())
    zipapp.create_archive(programs / "zipped", programs / "zipped.pyz")
    assert start("-m", "spearmint", "run", "zipped.pyz").stdout == "5 7 1\n"


def test_pex_keeps_spearmint_on_its_path_with_autostart(programs, start):
    """PEX starts itself again, on a path without what stands in the environment unless it is told otherwise."""
    show = "import os; print(os.environ.get('PEX_INHERIT_PATH'))"
    patch = "import sys; from spearmint.cli import run_program; run_program.is_autostart_enabled = lambda: {}; "
    run = "run_program.run_script(sys.argv[1], [])"
    for name, files in {"app.pex": ("PEX-INFO",), "other.pyz": ()}.items():
        with zipfile.ZipFile(programs / name, "w") as archive:
            archive.writestr("__main__.py", show)
            for file in files:
                archive.writestr(file, "{}")

    def inherited(name, *, is_enabled, env=None):
        return start("-c", patch.format(is_enabled) + run, name, env=env or {}).stdout.strip()

    assert inherited("app.pex", is_enabled=True) == "fallback"
    assert inherited("app.pex", is_enabled=True, env={"PEX_INHERIT_PATH": "false"}) == "false"
    assert inherited("app.pex", is_enabled=False) == "None"
    assert inherited("other.pyz", is_enabled=True) == "None"


def test_settings_are_those_that_are_given(programs, write, start):
    write(other__own___yaml=SETTINGS, uses___py=USES)
    assert start("-m", "spearmint", "run", "--config", "other/own.yaml", "uses.py").stdout == "5 7 1\n"
    assert start("-m", "spearmint", "run", "--config=other/own.yaml", "-m", "uses").stdout == "0 7 1\n"
    assert start("-m", "spearmint", "run", "uses.py", env={"SPEARMINT_CONFIG": "other/own.yaml"}).stdout == "5 7 1\n"


def test_program_that_cannot_start_ends_with_status_2(invoke, write):
    write(fine___py="print('started')", bad___yaml="package: [a]", good___yaml="packages: [a]")
    for args, message in (
        (["fine.py"], "Error: Cannot find settings: SPEARMINT_CONFIG is not set"),
        (["--config", "bad.yaml", "fine.py"], "Error: bad.yaml:1:1: Cannot use the key 'package'"),
        (["--config", "good.yaml", "gone.py"], "Error: Cannot run 'gone.py': there is no such file or folder."),
        (["--config", "good.yaml"], "Error: Give a script, - for standard input, -m and a module, or -c and code."),
        (["--config", "good.yaml", "-m"], "Error: Option '-m' requires an argument."),
        (["--config", "good.yaml", "-c"], "Error: Option '-c' requires an argument."),
    ):
        result = invoke("run", *args)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stdout == ""


def test_missing_target_ends_the_program_with_its_place(programs, write, start):
    write(spearmint___yaml="experiments: [{target: 'helper:h'}]", uses___py="import helper")
    done = start("-m", "spearmint", "run", "uses.py")
    assert done.returncode == 1
    assert "spearmint.yaml:1:16: Cannot find the target 'helper:h': module 'helper' defines no " in done.stderr
    assert 'File "<frozen importlib' not in done.stderr.split("uses.py")[0]


@pytest.mark.parametrize(("program", "status"), [("uses.py", 0), ("exits.py", 1), ("interrupted.py", -signal.SIGINT)])
def test_report_is_printed_on_stderr_at_exit(programs, write, start, program, status):
    write(spearmint___yaml="experiments: [{target: 'helper:g', configs: [{k: 7}], bindings: {k: k}}]", uses___py=USES)
    arguments = ["no"] if program == "exits.py" else []
    plain = start("-m", "spearmint", "run", program, *arguments)
    done = start("-m", "spearmint", "run", "--report", program, *arguments)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert done.returncode == status
    module = "helper  rewritten\nhelper:g  1 function\n"
    if program != "uses.py":
        module = "helper  not_imported\nhelper:g  0 functions\n"
    assert done.stderr == plain.stderr + module
