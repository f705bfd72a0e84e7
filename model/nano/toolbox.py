"""Tools: names, schemas and descriptions in many forms."""

from values import Draw, is_held_out
from words import ENTITIES, EXTRAS, NOUNS, VERBS_EN, VERBS_ZH, WORDS

#: The tool of ChatGLM3's published dialogue, as Glassbox registers it, and its weather tool. Both are in the training
#: split; the dialogue's stock code 10111 and its price are not.
TRACK = {
    "name": "track",
    "description": "追踪指定股票的实时价格",
    "parameters": {
        "type": "object",
        "properties": {"symbol": {"type": "string", "description": "需要追踪的股票代码"}},
        "required": ["symbol"],
    },
}
WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather for `city_name`.",
    "parameters": {
        "type": "object",
        "properties": {"city_name": {"type": "string", "description": "The name of the city to be queried."}},
        "required": ["city_name"],
    },
}


class Tool:
    """A tool and what the generator knows about it."""

    def __init__(self, spec, noun, entity, main, extras=()):
        self.spec, self.noun, self.entity, self.main, self.extras = spec, noun, entity, main, extras
        self.name = spec["name"]


class Toolbox(Draw):
    """Draws tools."""

    def tool_name(self, noun, entity, zh):
        """In one of the forms that names have in the wild; free text, not identifiers."""

        def make():
            if zh and self.chance(0.25):
                return self.pick(VERBS_ZH) + self.pick(["", entity[1]]) + noun[1]
            words = self.pick(
                [
                    [self.pick(VERBS_EN), noun[0]],
                    [self.pick(VERBS_EN), entity[0], noun[0]],
                    [entity[0], noun[0]],
                    [self.pick(WORDS), noun[0]],
                    [self.pick(WORDS)],
                    [self.pick(WORDS), self.pick(WORDS)],
                ]
            )
            return self.pick(["_", "_", "_", "-", "."]).join(words)

        return self.own(make)

    def parameter_name(self, usual):
        def make():
            kind = self.random.random()
            if kind < 0.55:
                return self.pick(usual)
            if kind < 0.8:
                return f"{self.pick(usual).split('_')[0]}_{self.pick(['id', 'name', 'key', 'code', 'value', 'text'])}"
            return self.pick(WORDS) if kind < 0.9 else f"{self.pick(WORDS)}_{self.pick(WORDS)}"

        return self.own(make)

    def tool(self, noun, entity, taken, extras=0):
        """A tool for a noun of an entity, with further parameters."""
        zh = self.zh if self.chance(0.7) else not self.zh
        name = self.tool_name(noun, entity, zh)
        while name in taken:
            name = self.tool_name(noun, entity, zh)
        main = self.parameter_name(entity[3])
        properties = {
            main: self.property(
                "string",
                self.pick([f"The {entity[0]} to look up.", f"The {entity[0]}"]),
                self.pick([f"需要查询的{entity[1]}", f"{entity[1]}"]),
                zh,
            )
        }
        required, chosen = [main], []
        for english, chinese, kind, look in self.random.sample(EXTRAS, extras):
            if is_held_out(english) != self.held_out or english in properties or self.chance(0.3):
                name_of = self.parameter_name([english])
            else:
                name_of = english
            if name_of in properties:
                continue
            properties[name_of] = self.property(kind, f"The {english}.", chinese, zh)
            chosen.append((name_of, english, chinese, kind, look))
            if self.chance(0.5):
                required.append(name_of)
        if self.chance(0.2):
            items = list(properties.items())
            self.random.shuffle(items)
            properties = dict(items)
        english = self.pick(
            [
                f"Get the {noun[0]} of a {entity[0]}.",
                f"The {noun[0]} of the given {entity[0]}",
                f"Look up the {noun[0]} of a {entity[0]}",
            ]
        )
        chinese = self.pick(
            [f"查询{entity[1]}的{noun[1]}", f"获取指定{entity[1]}的{noun[1]}", f"{entity[1]}的{noun[1]}"]
        )
        spec = {
            "name": name,
            "description": chinese if zh else english,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": [key for key in properties if key in required],
            },
        }
        return Tool(spec, noun, entity, main, chosen)

    def property(self, kind, english, chinese, zh):
        found = {} if kind == "string" and self.chance(0.15) else {"type": kind}
        found["description"] = chinese if zh else english
        return found

    def known_tool(self):
        """One of the two tools of the documentation."""
        if self.zh and self.chance(0.7):
            return Tool(TRACK, NOUNS[2], ENTITIES[1], "symbol")
        return Tool(WEATHER, NOUNS[0], ENTITIES[0], "city_name")

    def tools(self, count, extras):
        """Tools with different nouns, in any order."""
        found, taken = [], set()
        if not self.held_out and self.chance(0.12):
            found.append(self.known_tool())
            if self.chance(0.5):
                other = (
                    Tool(WEATHER, NOUNS[0], ENTITIES[0], "city_name")
                    if found[0].name == "track"
                    else Tool(TRACK, NOUNS[2], ENTITIES[1], "symbol")
                )
                found.append(other)
        nouns = [noun for noun in self.random.sample(NOUNS, count + 2) if noun not in [tool.noun for tool in found]]
        while len(found) < count:
            tool = self.tool(nouns.pop(), self.pick(ENTITIES), taken, self.pick(extras))
            found.append(tool)
            taken.add(tool.name)
        if [tool.name for tool in found] != ["track", "get_weather"] or self.chance(0.5):
            self.random.shuffle(found)
        return found

    def plain(self, tools):
        """A tool without further required parameters, put into the list."""
        tool = self.tool(
            self.pick([noun for noun in NOUNS if noun not in [tool.noun for tool in tools]]),
            self.pick(ENTITIES),
            {tool.name for tool in tools},
        )
        tools.append(tool)
        return tool
