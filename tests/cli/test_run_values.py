"""Values that stand in the program itself: it reads them long before its module has ended."""

import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
    import sys

    class Search:
        top_k = 3

    def answer(q):
        return f"{PROMPT} {q} {Search.top_k} {0.75}"

    PROMPT = "Be kind."
    print(answer("a"), answer("b"), sep="; ")
    print(PROMPT)
"""
VARIED = "Be kind. a 3 0.75; Be brief. b 4 0.5\nBe kind.\n"


def settings(module, *names):
    entries = [
        f"  - {{value: '{module}:{name}', within: '{module}:answer', configs: [{{v: {other}}}], path: v,"
        " strategy: round_robin}\n"
        for name, other in zip(names, ("Be brief.", 4, 0.5), strict=False)
    ]
    return "experiments:\n" + "".join(entries)


@pytest.fixture
def ran(folder, write, start):
    """Run the script of a folder, and tell what it says."""

    def run(*command, module="__main__", script=SCRIPT, names=("PROMPT", "Search.top_k", "answer#0.75")):
        write(spearmint___yaml=settings(module, *names), shop___py=script)
        (folder / "app").mkdir(exist_ok=True)
        (folder / "app" / "__main__.py").write_text((folder / "shop.py").read_text())
        return start("-m", "spearmint", "run", *command)

    return run


@pytest.mark.parametrize("command", [["shop.py"], ["app"], ["-m", "shop"]])
def test_values_of_a_program_vary_as_it_runs(ran, command):
    done = ran(*command, module="shop" if "-m" in command else "__main__")

    assert (done.returncode, done.stdout, done.stderr) == (0, VARIED, "")


def test_values_of_a_program_given_as_text_vary(ran, write, start):
    ran("shop.py")

    assert start("-m", "spearmint", "run", "-c", SCRIPT.replace("\n    ", "\n")).stdout == VARIED


def test_value_is_what_the_program_has_bound_last(ran):
    script = SCRIPT.replace('print(answer("a")', 'PROMPT = PROMPT[:-1] + "!"\n    print(answer("a")')

    done = ran("shop.py", script=script)

    assert (done.stdout, done.stderr) == (VARIED.replace("kind.", "kind!"), "")


@pytest.mark.parametrize(
    ("script", "name", "problem"),
    [
        (SCRIPT, "PROMT", "module '__main__' binds no 'PROMT'. Did you mean 'PROMPT'?"),
        (SCRIPT, "answer#0.7", "'answer' of module '__main__' has no such literal"),
        (SCRIPT, "answer", "it is a function. Write 'target: __main__:answer' for its calls"),
        (SCRIPT, "Search.topk", "'Search' has no 'topk'. Did you mean 'top_k'?"),
        (
            SCRIPT.replace("import sys", "from string import digits"),
            "digits",
            "imports 'digits'. Name it by the module",
        ),
    ],
)
def test_value_that_the_program_does_not_have_ends_it(ran, script, name, problem):
    done = ran("shop.py", script=script, names=(name,))

    assert (done.returncode, done.stdout) == (1, "")
    assert problem in done.stderr
    assert "spearmint.yaml:2:" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a fork")
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_values_of_a_program_vary_in_its_children(ran, method):
    script = f"""
        import multiprocessing

        PROMPT = "Be kind."

        def answer(q):
            return f"{{PROMPT}} {{q}}"

        def both(q):
            return answer(q), answer(q)

        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                print(pool.map(both, ["a"]))
    """
    done = ran("shop.py", script=script, names=("PROMPT",))

    assert (done.stdout, done.stderr) == ("[('Be kind. a', 'Be brief. a')]\n", "")
