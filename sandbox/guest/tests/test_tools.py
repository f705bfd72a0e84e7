"""The host's tools as functions."""

import unittest

from .session import Session

WEATHER = {
    "name": "get-weather",
    "description": "The weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {
            "days": {"type": "integer", "default": 3},
            "from": {"type": "string", "description": "where"},
            "unit": {"enum": ["c", "f"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"type": ["string", "null"]},
        },
        "required": ["from"],
    },
}


def tool(name, arguments):
    if arguments.get("from") == "nowhere":
        raise ValueError("no such place")
    return arguments


class Tools(unittest.TestCase):
    def session(self):
        session = Session(tool=tool)
        self.addCleanup(session.close)
        return session

    def test_arguments_come_by_position_and_by_name(self):
        session = self.session()
        ran = session.run("get_weather('x', unit='c', note=None, tags=None)", [WEATHER])
        self.assertEqual(ran.of("tool")[0]["name"], "get-weather")
        self.assertEqual(ran.result, "{'from': 'x', 'unit': 'c', 'note': None}")
        ran = session.run("import tools\ntools.get_weather(from_='y', days=2)")
        self.assertEqual(ran.result, "{'from': 'y', 'days': 2}")

    def test_values_of_libraries_become_json(self):
        source = (
            "from pathlib import PurePosixPath\nfrom decimal import Decimal\n"
            "class Array:\n    def tolist(self): return [1]\n"
            "get_weather(PurePosixPath('/a'), tags={'b'}, days=Array(), unit=Decimal('1.5'))"
        )
        self.assertEqual(
            self.session().run(source, [WEATHER]).result, "{'from': '/a', 'days': [1], 'unit': 1.5, 'tags': ['b']}"
        )

    def test_a_function_says_how_it_is_called(self):
        session = self.session()
        ran = session.run(
            "import inspect\nprint(inspect.signature(get_weather))\nprint(get_weather.__doc__)", [WEATHER]
        )
        self.assertEqual(
            ran.stdout,
            "(from_: str, days: int = 3, unit: Literal['c', 'f'] = ..., tags: list[str] = ..., "
            "note: Optional[str] = ...)\n"
            "The weather of a place.\n\nParameters:\n    from_: where\n",
        )

    def test_a_wrong_call_names_the_signature(self):
        ran = self.session().run("get_weather()", [WEATHER])
        self.assertEqual((ran.error["name"], ran.of("tool")), ("TypeError", []))
        self.assertIn("get_weather(from_: str", ran.error["value"])
        ran = self.session().run("get_weather(object())", [WEATHER])
        self.assertIn("a object is no JSON value", ran.error["value"])

    def test_a_failure_is_an_exception_with_its_kind(self):
        session = self.session()
        ran = session.run("try:\n    get_weather('nowhere')\nexcept ToolError as e:\n    print(e.kind, e)", [WEATHER])
        self.assertEqual(ran.stdout, "failed no such place\n")
        ran = session.run("get_weather('nowhere')")
        self.assertEqual((ran.error["name"], ran.error["value"]), ("ToolError", "no such place"))
        self.assertNotIn("<glassbox>", ran.traceback)

    def test_what_the_program_defines_stays_and_tools_go(self):
        session = self.session()
        session.run("def get_weather(): return 'mine'")
        self.assertEqual(session.run("get_weather()", [WEATHER]).result, "'mine'")
        self.assertEqual(session.run("import tools; tools.get_weather('x')").result, "{'from': 'x'}")
        self.assertEqual(session.run("hasattr(tools, 'get_weather')", []).result, "False")
        other = {"name": "print", "description": "", "parameters": {"type": "object", "properties": {}}}
        self.assertEqual(session.run("print_()", [other]).result, "{}")


if __name__ == "__main__":
    unittest.main()
