"""The SDK without Wasm and without a host: `PYTHONPATH=src python -m unittest discover -s tests`."""

import doctest
import unittest

import lapstrake
from lapstrake import Graph, Lines, did_you_mean, make
from lapstrake import path as paths
from lapstrake import text as texts
from lapstrake.types import *  # noqa: F403

AMD64 = make(Platform, os="linux", architecture="amd64")


class GraphTest(unittest.TestCase):
    def test_equal_vertices_are_one(self):
        graph = Graph()
        one = graph.image("a", AMD64).run("x").root()
        two = graph.image("a", AMD64).run("x").root()
        self.assertEqual(one.edge, two.edge)
        self.assertNotEqual(graph.image("a").edge, graph.image("a", AMD64).edge)

    def test_a_definition_has_what_its_roots_need(self):
        graph = Graph()
        graph.image("unused")
        base = graph.image("base")
        files = graph.scratch().file().write("/a", "x").done()
        root = base.run("make").mount("/in", files).cache("/c", "id").root().file().copy(files, "a", "b/").done()
        definition, roots = graph.definition([root.edge])
        self.assertEqual(len(definition.vertices), 4)
        self.assertEqual(roots, [Edge(3, 0)])
        mounts = definition.vertices[2].op.value.mounts
        self.assertEqual([mount.kind.value.input for mount in mounts], [Edge(0, 0), Edge(1, 0), None])
        # A second one is not changed by the first.
        self.assertEqual(graph.definition([root.edge])[0], definition)

    def test_states_never_change(self):
        base = Graph().image("base")
        base.env("A", "1").dir("/x").user("u")
        self.assertEqual((base.environment, base.directory), ([], "/"))
        op = base.env("A", "1").env("B", "2").env("A", "3").dir("x").run("y").op
        self.assertEqual([(pair.key, pair.value) for pair in op.env], [("A", "3"), ("B", "2")])
        self.assertEqual(op.cwd, "/x")

    def test_what_a_command_leaves(self):
        graph = Graph()
        other = graph.local()
        trees = graph.image("base").run("x").mount("/rw", other).mount("/ro", other, readonly=True).done()
        self.assertEqual([tree.edge.output for tree in trees.values()], [0, 1, 0])
        self.assertEqual(trees["/ro"].edge, other.edge)

    def test_merge_and_diff_leave_scratch_out(self):
        graph = Graph()
        a, b = graph.image("a"), graph.image("b")
        self.assertIs(graph.merge([graph.scratch(), a]), a)
        self.assertIs(graph.diff(graph.scratch(), a), a)
        self.assertEqual(graph.merge([a, b]).edge, Edge(2, 0))


class FrontendTest(unittest.TestCase):
    def exports(self, build):
        class Test(lapstrake.Frontend):
            def describe(self):
                return make(FrontendInfo, name="test")

        Test.build = build
        return lapstrake.component(Test)()

    def test_errors_leave_as_the_contracts(self):
        def wrong(self, host, request):
            raise lapstrake.invalid([lapstrake.error("Code", "message")], [])

        def broken(self, host, request):
            return [][0]

        with self.assertRaises(Err) as raised:
            self.exports(wrong).build(None)
        self.assertEqual(raised.exception.value.value.items[0].code, "Code")
        self.assertEqual(self.exports(wrong).lint(None).items[0].code, "Code")
        with self.assertRaises(Err) as raised:
            self.exports(broken).build(None)
        self.assertIsInstance(raised.exception.value, BuildError_Internal)
        self.assertIn("IndexError", raised.exception.value.value)


class TextTest(unittest.TestCase):
    def test_columns_count_bytes(self):
        lines = Lines("ä x\r\nü", 3)
        self.assertEqual(lines.part(1, 2, 3), SourceRange(3, Position(1, 4), Position(1, 5)))
        self.assertEqual(lines.line(2).stop, Position(2, 3))

    def test_near_words(self):
        self.assertEqual(did_you_mean("rnu", ["run", "ran"]), "run")
        self.assertIsNone(did_you_mean("x", ["copy"]))
        self.assertIsNone(did_you_mean("", ["a"]))

    def test_examples(self):
        for module in (paths, texts):
            self.assertEqual(doctest.testmod(module).failed, 0)


if __name__ == "__main__":
    unittest.main()
