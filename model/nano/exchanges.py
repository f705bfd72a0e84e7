"""Questions, calls and replies: each method gives the entries that one question leads to."""

import json

from toolbox import TRACK, WEATHER, Tool, Toolbox
from words import CAPITALS, CHAT_EN, CHAT_ZH, ENTITIES, NOUNS, WORDS


class Exchanges(Toolbox):
    """Draws what is asked of tools and in words."""

    def entity_words(self, tool, value):
        """How a question names what it asks about: with its kind, or without."""
        zh, en = tool.entity[1], tool.entity[0]
        if tool.entity[0] in ("stock", "order", "room", "train", "file") or self.chance(0.2):
            return self.say(f"{zh}{value}", f"{en} {value}")
        return value

    def arguments(self, tool):
        """Arguments for a tool, and the words for those besides the main one."""
        value = self.value(self.pick(tool.entity[2]))
        given = {tool.main: value}
        words = []
        for name, english, chinese, _, look in tool.extras:
            if name not in tool.spec["parameters"]["required"] and self.chance(0.5):
                continue
            given[name] = self.value(look)
            shown = (
                {True: self.say("是", "yes"), False: self.say("否", "no")}[given[name]]
                if look == "bool"
                else given[name]
            )
            words.append(self.say(f"，{chinese}{shown}", f", {english} {shown}"))
        order = list(tool.spec["parameters"]["properties"])
        given = {name: given[name] for name in order if name in given}
        return value, given, "".join(words)

    def user(self, text):
        return {"role": "user", "content": text}

    def reply(self, text, **more):
        return {"role": "assistant", "content": text, **more}

    def question(self, tool, value, words):
        """The question, and whether it is polite: then the model says a word before it calls."""
        what = self.entity_words(tool, value)
        zh, en = tool.noun[1], tool.noun[0]
        polite = self.chance(0.2)
        if polite:
            return self.say(f"请查询{what}的{zh}{words}", f"Please look up the {en} of {what}{words}."), True
        forms = self.say(
            [
                f"帮我查询{what}的{zh}{words}",
                f"{what}的{zh}是多少{words}",
                f"查一下{what}的{zh}{words}",
                f"我想知道{what}的{zh}{words}",
            ],
            [
                f"What is the {en} of {what}{words}?",
                f"Find the {en} of {what}{words}.",
                f"Tell me the {en} of {what}{words}",
                f"{en} of {what}{words}",
            ],
        )
        return self.pick(forms), False

    def before(self, polite):
        """The word before a call."""
        return [self.reply(self.say("好的，我来查询。", "Let me look that up."))] if polite else []

    def observed(self, tool, look=None):
        """A value and an observation with it, in one of the forms that tools answer in."""
        if tool.spec is WEATHER and look is None and self.chance(0.4):
            return self.report()
        value = self.value(look or tool.noun[2])
        if tool.spec is TRACK and self.chance(0.4):
            answer = {"price": value, "source": "fixed demonstration table, not a market"}
            return value, json.dumps(answer, separators=(",", ":"))
        form = self.random.random()
        key = tool.noun[0] if self.chance(0.7) else self.pick(["result", "value", "data", "answer"])
        if form < 0.4:
            return value, json.dumps({key: value}, ensure_ascii=False, separators=(",", ":"))
        if form < 0.65:
            return value, {key: value}
        if form < 0.8:
            more = {
                self.pick(["source", "note", "from"]): " ".join(self.random.sample(WORDS, self.random.randint(1, 4)))
            }
            return value, json.dumps({key: value, **more}, ensure_ascii=False, separators=(",", ":"))
        return value, str(value)

    def report(self):
        """What Glassbox's weather tool answers, and what is told of it."""
        degrees, felt, humid = (float(self.value("small")) for _ in range(3))
        sky = self.value("weather")
        answer = {
            "city": self.value("city"),
            "temperature_c": degrees,
            "feels_like_c": felt,
            "humidity_percent": humid,
            "description": sky,
            "observed_at": f"{self.value('date')} {self.value('time')}",
        }
        return self.say(f"{sky}，{degrees}度", f"{sky}, {degrees} degrees"), json.dumps(
            answer, ensure_ascii=False, separators=(",", ":")
        )

    def call(self, tool, arguments, observation, **more):
        return {"role": "tool", "name": tool.name, "parameters": arguments, "observation": observation, **more}

    def answer(self, tool, value, result):
        """The reply that tells a result. What was asked about is said where it is short."""
        what = f"{tool.entity[1]}{value}" if tool.entity[0] == "stock" else value
        what_en = f"{tool.entity[0]} {value}" if tool.entity[0] == "stock" else value
        return self.say(f"{what}的{tool.noun[1]}是{result}。", f"The {tool.noun[0]} of {what_en} is {result}.")

    def one_call(self, tools):
        tool = self.pick(tools)
        value, given, words = self.arguments(tool)
        question, polite = self.question(tool, value, words)
        result, observation = self.observed(tool)
        return [
            self.user(question),
            *self.before(polite),
            self.call(tool, given, observation),
            self.reply(self.answer(tool, value, result)),
        ]

    def by_name(self, tools):
        """The tool and its arguments are named."""
        tool = self.pick(tools)
        _, given, _ = self.arguments(tool)
        said = self.say("，", ", ").join(
            self.say(f"{k}为{self.shown(v)}", f"{k} {self.shown(v)}") for k, v in given.items()
        )
        question = self.say(f"调用{tool.name}，{said}", f"Call {tool.name} with {said}")
        result, observation = self.observed(tool)
        return [
            self.user(question),
            self.call(tool, given, observation),
            self.reply(self.say(f"结果是{result}。", f"The result is {result}.")),
        ]

    def shown(self, value):
        if isinstance(value, bool):
            return self.say("是", "yes") if value else self.say("否", "no")
        return str(value)

    def two_calls(self, tools):
        """The same tool for two values, one after the other."""
        tool = self.pick(
            [tool for tool in tools if not any(name in tool.spec["parameters"]["required"] for name, *_ in tool.extras)]
            or [self.plain(tools)]
        )
        look = self.pick(tool.entity[2])
        one, two = self.value(look), self.value(look)
        (first, a), (second, b) = self.observed(tool), self.observed(tool)
        zh, en = tool.noun[1], tool.noun[0]
        question = self.say(f"查询{one}和{two}的{zh}", f"What is the {en} of {one} and of {two}?")
        text = self.say(
            f"{one}的{zh}是{first}，{two}的{zh}是{second}。",
            f"The {en} of {one} is {first}, the {en} of {two} is {second}.",
        )
        return [
            self.user(question),
            self.call(tool, {tool.main: one}, a),
            self.call(tool, {tool.main: two}, b),
            self.reply(text),
        ]

    def chain(self, tools):
        """What the first tool gives is what the second is asked about."""
        first = self.plain(tools)
        second = self.plain(tools)
        if self.chance(0.5):
            self.random.shuffle(tools)
        value = self.value(self.pick(first.entity[2]))
        middle, a = self.observed(first, self.pick(second.entity[2]))
        last, b = self.observed(second)
        what = self.entity_words(first, value)
        question = self.say(
            f"先查{what}的{first.noun[1]}，再查它的{second.noun[1]}",
            f"Find the {first.noun[0]} of {what}, then the {second.noun[0]} of that.",
        )
        return [
            self.user(question),
            self.call(first, {first.main: value}, a),
            self.call(second, {second.main: middle}, b),
            self.reply(self.answer(second, middle, last)),
        ]

    def repaired(self, tools):
        """A call goes wrong; what the error says is done."""
        tool = self.pick([tool for tool in tools if not tool.extras] or [self.plain(tools)])
        value = self.value(self.pick(tool.entity[2]))
        question, polite = self.question(tool, value, "")
        result, observation = self.observed(tool)
        given = {tool.main: value}
        kind = self.random.random()
        if kind < 0.5:
            # The tool itself knows better.
            right = self.value(self.pick(tool.entity[2]))
            error = self.pick(
                [
                    f"Error: `{value}` is unknown. Did you mean `{right}`?",
                    f"Error: no {tool.entity[0]} `{value}`; did you mean `{right}`?",
                    f"错误：没有{value}，您要找的是{right}吗？",
                ]
            )
            return [
                self.user(question),
                *self.before(polite),
                self.call(tool, given, error),
                self.call(tool, {tool.main: right}, observation),
                self.reply(self.answer(tool, right, result)),
            ]
        if kind < 0.7:
            wrong = self.parameter_name(tool.entity[3])
            error = f"Error: the arguments of `{tool.name}` are wrong: `{tool.main}` is missing (a string); `{wrong}` is unknown; known are `{tool.main}`. Call it again with correct arguments."
            bad = self.call(tool, {wrong: value}, error, loss=False)
        elif kind < 0.8:
            error = f"Error: the arguments of `{tool.name}` are wrong: `{tool.main}` is missing (a string). Call it again with correct arguments."
            bad = self.call(tool, {}, error, loss=False)
        else:
            name = self.tool_name(tool.noun, tool.entity, False)
            error = f"Error: there is no tool named `{name}`. Did you mean `{tool.name}`? Available tools: {', '.join(tool.name for tool in tools)}."
            bad = {"role": "tool", "name": name, "parameters": given, "observation": error, "loss": False}
        return [
            self.user(question),
            bad,
            self.call(tool, given, observation),
            self.reply(self.answer(tool, value, result)),
        ]

    def failed(self, tools):
        """An error that no other call would mend."""
        tool = self.pick([tool for tool in tools if not tool.extras] or [self.plain(tools)])
        value = self.value(self.pick(tool.entity[2]))
        question, polite = self.question(tool, value, "")
        error = self.pick(
            [
                "Error: the service is not available.",
                f"Error: `{tool.name}` did not finish within 10 s and was stopped.",
                "Error: permission denied",
                "错误：服务不可用",
            ]
        )
        text = self.say(
            f"抱歉，没能查到{tool.noun[1]}：工具出错了。",
            f"Sorry, I could not find the {tool.noun[0]}: the tool failed.",
        )
        return [self.user(question), *self.before(polite), self.call(tool, {tool.main: value}, error), self.reply(text)]

    def no_tool(self, tools):
        """Nothing that is offered fits."""
        noun = self.pick([noun for noun in NOUNS if noun not in [tool.noun for tool in tools]])
        entity = self.pick(ENTITIES)
        other = Tool({"name": ""}, noun, entity, "")
        question, _ = self.question(other, self.value(self.pick(entity[2])), "")
        return [
            self.user(question),
            self.reply(self.say(f"抱歉，我没有可以查询{noun[1]}的工具。", f"Sorry, I have no tool for the {noun[0]}.")),
        ]

    def chat(self, _=None):
        """Words alone."""
        kind = self.random.random()
        if kind < 0.6:
            questions, answer = self.pick(CHAT_ZH if self.zh else CHAT_EN)
            return [self.user(self.pick(questions)), self.reply(answer)]
        if kind < 0.72:
            country, land, capital, stadt = self.pick(CAPITALS)
            return [
                self.user(self.say(f"{land}的首都是哪里？", f"What is the capital of {country}?")),
                self.reply(self.say(f"{land}的首都是{stadt}。", f"The capital of {country} is {capital}.")),
            ]
        if kind < 0.82:
            english, chinese, _ = self.pick(NOUNS)
            return [
                self.user(self.say(f"“{chinese}”用英语怎么说？", f"What is “{english}” in Chinese?")),
                self.reply(self.say(f"“{chinese}”的英语是“{english}”。", f"“{english}” is “{chinese}” in Chinese.")),
            ]
        text = self.value(self.pick(["word", "person", "place", "code", "path", "digits", "date"]))
        return [self.user(self.say(f"请重复：{text}", f"Repeat: {text}")), self.reply(str(text))]
