"""Names of tools and parameters; the host's stubs are held to the same list."""

import importlib.util
import json
import pathlib
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def _names():
    path = HERE.parent / "glassbox_guest" / "names.py"
    spec = importlib.util.spec_from_file_location("names", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Names(unittest.TestCase):
    def test_names_become_identifiers(self):
        names, wanted = _names(), json.loads((HERE / "names.json").read_text("utf-8"))
        self.assertEqual(names.tool_names([name for name, _ in wanted["tools"]]), dict(map(tuple, wanted["tools"])))
        taken = []
        for name, identifier in wanted["parameters"]:
            self.assertEqual(names.identifier(name, taken), identifier)
            self.assertTrue(identifier.isidentifier())
            taken.append(identifier)


if __name__ == "__main__":
    unittest.main()
