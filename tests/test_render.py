import random

from spearmint.render import html_table, tree


def test_tree_draws_branches_last_ones_and_bars():
    nodes = [(0, "root"), (1, "a"), (2, "b"), (3, "c"), (2, "d"), (1, "e"), (2, "f")]
    assert "\n".join(tree(nodes)) == "root\n├─ a\n│  ├─ b\n│  │  └─ c\n│  └─ d\n└─ e\n   └─ f"


def test_tree_of_one_node_and_of_none():
    assert list(tree([(0, "root")])) == ["root"]
    assert list(tree([])) == []


def test_tree_of_any_shape_keeps_depth_and_joins_siblings():
    rng = random.Random(1)
    for _ in range(50):
        nodes = [(0, "n")]
        while len(nodes) < 20:
            nodes.append((rng.randint(1, nodes[-1][0] + 1), "n"))
        lines = list(tree(nodes))
        assert [line.index("n") for line in lines] == [3 * depth for depth, _ in nodes]
        for position, (depth, _) in enumerate(nodes[1:], 1):
            following = next((d for d, _ in nodes[position + 1 :] if d <= depth), 0)
            assert lines[position][3 * depth - 3] == ("├" if following == depth else "└")


def test_html_table_escapes_heads_cells_and_caption():
    table = html_table(["<a>", "b"], [("<script>", None), ("x", 1.5)], caption="1 < 2")
    assert table == (
        "<table><caption>1 &lt; 2</caption>"
        '<thead><tr><th scope="col">&lt;a&gt;</th><th scope="col">b</th></tr></thead>'
        "<tbody><tr><td>&lt;script&gt;</td><td></td></tr><tr><td>x</td><td>1.5</td></tr></tbody></table>"
    )
