"""Do prompts and thresholds vary in packages that know nothing of Spearmint?

    python benchmarks/popular_values.py                 all packages
    python benchmarks/popular_values.py dspy networkx   some

Each package runs a short program of its own, without a network, in two processes: plain, and with one prompt or
threshold of the package named as a value, as main (the original) and as a variant. Main has to give what the plain
process gives, and the variant what only the other value can give. Packages that are not installed are told and skipped.
Status 1 where one says otherwise.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

MARK = "Varied by hand."


@dataclass(frozen=True, slots=True)
class Varied:
    """A value of a package, and a program that shows it.

    Attributes:
        package: What is imported, and rewritten.
        value: The value, as settings name it.
        other: What it is in the variant: a prompt keeps its placeholders.
        program: Module with a function ``start``; for a number also with ``wanted``, which gives what ``start`` has to
            give under the other value.
    """

    package: str
    value: str
    other: object
    program: str


VARIED: Mapping[str, Sequence[Varied]] = {
    "dspy": (
        Varied(
            "dspy",
            "dspy.predict.rlm:ACTION_INSTRUCTIONS_TEMPLATE",
            f"{MARK} {{inputs}} {{final_output_names}}",
            """
            import dspy

            def start():
                return dspy.RLM("question -> answer").generate_action.signature.instructions
            """,
        ),
        Varied(
            "dspy",
            'dspy.adapters.chat_adapter:ChatAdapter.format_task_description#"In adhering to this structure, your '
            'objective is: "',
            f"{MARK} ",
            """
            import dspy

            def start():
                asked = dspy.ChatAdapter().format(dspy.Signature("question -> answer"), [], {"question": "Why?"})
                return [one["content"] for one in asked]
            """,
        ),
    ),
    "haystack": (
        Varied(
            "haystack",
            "haystack.components.query.query_expander:DEFAULT_PROMPT_TEMPLATE",
            f"{MARK} {{{{ query }}}} {{{{ n_expansions }}}}",
            """
            from haystack.components.query import QueryExpander
            from haystack.dataclasses import ChatMessage

            class Generator:
                def run(self, messages):
                    self.asked = messages[0].text
                    return {"replies": [ChatMessage.from_assistant('{"queries": []}')]}

            def start():
                generator = Generator()
                QueryExpander(chat_generator=generator).run("Why?")
                return generator.asked
            """,
        ),
        Varied(
            "haystack",
            "haystack.hooks.human_in_the_loop.strategies:REJECTION_FEEDBACK_TEMPLATE",
            f"{MARK} {{tool_name}}",
            """
            from haystack.hooks.human_in_the_loop import BlockingConfirmationStrategy

            def start():
                return BlockingConfirmationStrategy(confirmation_policy=None, confirmation_ui=None).reject_template
            """,
        ),
    ),
    "langchain_core": (
        Varied(
            "langchain_core",
            "langchain_core.output_parsers.pydantic:_PYDANTIC_FORMAT_INSTRUCTIONS",
            f"{MARK} {{schema}}",
            """
            from langchain_core.output_parsers import PydanticOutputParser
            from pydantic import BaseModel

            class Answer(BaseModel):
                text: str

            def start():
                return PydanticOutputParser(pydantic_object=Answer).get_format_instructions()
            """,
        ),
    ),
    "langchain": (
        Varied(
            "langchain",
            "langchain.agents.middleware.todo:WRITE_TODOS_SYSTEM_PROMPT",
            MARK,
            """
            from langchain.agents.middleware import TodoListMiddleware

            def start():
                return TodoListMiddleware().system_prompt
            """,
        ),
    ),
    "langchain_classic": (
        Varied(
            "langchain_classic",
            "langchain_classic.output_parsers.format_instructions:STRUCTURED_FORMAT_INSTRUCTIONS",
            f"{MARK} {{format}}",
            """
            from langchain_classic.output_parsers import ResponseSchema, StructuredOutputParser

            def start():
                schema = ResponseSchema(name="answer", description="what is asked for")
                return StructuredOutputParser.from_response_schemas([schema]).get_format_instructions()
            """,
        ),
    ),
    "llama_index": (
        Varied(
            "llama_index",
            "llama_index.core.chat_engine.condense_plus_context:DEFAULT_CONTEXT_PROMPT_TEMPLATE",
            f"{MARK} {{context_str}}",
            """
            from llama_index.core.chat_engine import CondensePlusContextChatEngine
            from llama_index.core.llms import MockLLM
            from llama_index.core.memory import ChatMemoryBuffer

            def start():
                memory = ChatMemoryBuffer(token_limit=10, tokenizer_fn=str.split)
                engine = CondensePlusContextChatEngine(retriever=None, llm=MockLLM(), memory=memory)
                return engine._context_prompt_template.format(context_str="Shops close at six.")
            """,
        ),
        Varied(
            "llama_index",
            "llama_index.core.extractors.metadata_extractors:DEFAULT_TITLE_NODE_TEMPLATE",
            f"{MARK} {{context_str}}",
            """
            from llama_index.core.extractors import TitleExtractor
            from llama_index.core.llms import MockLLM
            from llama_index.core.schema import TextNode

            def start():
                extractor = TitleExtractor(llm=MockLLM(), num_workers=1)
                found = extractor.extract([TextNode(text="Shops close at six.", id_="1")])
                return [extractor.node_template, found]
            """,
        ),
    ),
    "sklearn": (
        Varied(
            "sklearn",
            "sklearn.model_selection._split:train_test_split#0.25",
            0.5,
            """
            from sklearn.model_selection import train_test_split

            def start():
                return train_test_split(list(range(100)), random_state=0)

            def wanted():
                return train_test_split(list(range(100)), random_state=0, test_size=0.5)
            """,
        ),
    ),
    "networkx": (
        Varied(
            "networkx",
            "networkx.algorithms.bipartite.link_analysis:birank#0.8",
            0.3,
            """
            import networkx

            graph = networkx.davis_southern_women_graph()
            top = graph.graph["top"]
            first = {top[0]: 1}

            def scores(**options):
                found = networkx.bipartite.birank(graph, top, top_personalization=first, **options)
                return sorted((name, round(score, 9)) for name, score in found.items())

            def start():
                return scores()

            def wanted():
                return scores(alpha=0.3)
            """,
        ),
    ),
}

PLAIN = """
import json, shown
print(json.dumps([shown.start(), shown.wanted() if hasattr(shown, "wanted") else None]))
"""
VARYING = """
import json, sys
import spearmint
handle = spearmint.install(json.loads(sys.argv[1]))
import shown
from spearmint import Spearmint
results = Spearmint.run(shown.start, await_variants=True)()
outcomes = [results.main_result, *results.variant_results]
print(json.dumps([[str(one.exception), one.result] for one in outcomes]))
"""


def problem_with(one: Varied, folder: Path) -> str | None:
    """Run a program both ways, and say what is wrong; None where nothing is."""
    (folder / "shown.py").write_text(textwrap.dedent(one.program))
    entry = {"value": one.value, "within": "shown:start", "configs": [{"to": one.other}], "path": "to"}
    settings = {"packages": [one.package, "shown"], "experiments": [{**entry, "strategy": "multi_branch"}]}
    plain = subprocess.run([sys.executable, "-c", PLAIN], cwd=folder, capture_output=True, text=True, check=False)
    command = [sys.executable, "-c", VARYING, json.dumps(settings)]
    varying = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    for done in (plain, varying):
        if done.returncode:
            return done.stderr[-2000:]
    (original, wanted), outcomes = (json.loads(done.stdout.splitlines()[-1]) for done in (plain, varying))
    if len(outcomes) != 2:
        return f"{len(outcomes)} cases instead of 2"
    main, variant = outcomes
    if main != ["None", original]:
        return f"the original gives {main}, and {original} without Spearmint"
    if variant[0] != "None" or (MARK not in json.dumps(variant[1]) if wanted is None else variant[1] != wanted):
        return f"the other value gives {variant}"
    return None


def main() -> int:
    """Run the programs; return 1 when one says otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", choices=[*VARIED, []], default=[], help="none: all")
    is_wrong = False
    for name in parser.parse_args().packages or VARIED:
        if PathFinder.find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        for one in VARIED[name]:
            with tempfile.TemporaryDirectory() as folder:
                problem = problem_with(one, Path(folder))
            is_wrong |= problem is not None
            print(f"{one.value}: {problem or 'varies, and its original is what it was'}")
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
