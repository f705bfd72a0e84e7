"""Questions that programs answer, with what the sandbox prints."""

import json

from exchanges import Exchanges


class Programs(Exchanges):
    """Draws programs; some fail first and are mended."""

    def code(self, _=None, cell=1):
        """A question that a program answers; some programs fail first."""
        task = self.pick(
            [
                self.fold,
                self.fold,
                self.fold,
                self.arithmetic,
                self.order,
                self.count,
                self.turned,
                self.broken,
                self.broken,
                self.divided,
            ]
        )
        question, programs, result = task(cell)
        entries = [self.user(question), self.reply(self.say("好的，我来计算。", "Let me compute that."))]
        for at, (program, observation) in enumerate(programs):
            if at:
                entries.append(self.reply(self.say("代码出错了，我来修改。", "The program failed. I will fix it.")))
            entries.append(self.reply(f"```python\n{program}\n```", metadata="interpreter"))
            entries.append({"role": "observation", "content": observation})
        entries.append(
            self.reply(
                result if result.endswith(("。", ".")) else self.say(f"结果是{result}。", f"The result is {result}.")
            )
        )
        return entries

    def numbers(self):
        return json.loads(self.own(lambda: str([self.random.randint(1, 99) for _ in range(self.random.randint(3, 6))])))

    def fold(self, _):
        numbers = self.numbers()
        zh, en, name, found = self.pick(
            [
                ("和", "sum", "sum", sum),
                ("最大值", "largest number", "max", max),
                ("最小值", "smallest number", "min", min),
            ]
        )
        result = str(found(numbers))
        return (
            self.say(f"计算{numbers}的{zh}", f"Compute the {en} of {numbers}"),
            [(f"print({name}({numbers}))", result)],
            result,
        )

    def arithmetic(self, _):
        def make():
            a, b, c = (self.random.randint(2, 99) for _ in range(3))
            return self.pick(
                [f"{a} * {b}", f"{a} + {b} * {c}", f"{a} - {b}", f"({a} + {b}) * {c}", f"{a} ** {b % 4 + 2}"]
            )

        text = self.own(make)
        result = str(arithmetic(text))
        return self.say(f"计算{text}", f"Compute {text}"), [(f"print({text})", result)], result

    def order(self, _):
        numbers = self.numbers()
        back = self.chance(0.4)
        result = str(sorted(numbers, reverse=back))
        program = f"print(sorted({numbers}, reverse=True))" if back else f"print(sorted({numbers}))"
        return (
            self.say(
                f"把{numbers}{'从大到小' if back else ''}排序",
                f"Sort {numbers}{' from large to small' if back else ''}",
            ),
            [(program, result)],
            result,
        )

    def count(self, _):
        text = self.value("word")
        result = str(len(text))
        return (
            self.say(f"“{text}”有几个字符？", f"How many characters has “{text}”?"),
            [(f"print(len('{text}'))", result)],
            result,
        )

    def turned(self, _):
        up_to = int(self.own(lambda: str(self.random.randint(5, 200))))
        result = str(sum(range(1, up_to + 1)))
        return (
            self.say(f"计算1到{up_to}的和", f"Compute the sum of 1 to {up_to}"),
            [(f"print(sum(range(1, {up_to} + 1)))", result)],
            result,
        )

    def broken(self, cell):
        """A text among the numbers: the program fails, then takes each as a number."""
        numbers = self.numbers()
        at = self.random.randrange(len(numbers))
        mixed = [str(number) if place == at else number for place, number in enumerate(numbers)]
        zh, en, name, found = self.pick([("和", "sum", "sum", sum), ("最大值", "largest number", "max", max)])
        line = f"print({name}({mixed}))"
        if name == "sum":
            message = "unsupported operand type(s) for +: 'int' and 'str'"
        else:
            # Which two meet first.
            message = "'>' not supported between instances of " + ("'int' and 'str'" if at == 0 else "'str' and 'int'")
        marks = " " * 6 + "~" * len(name) + "^" * (len(str(mixed)) + 2)
        result = str(found(numbers))
        programs = [
            (line, traceback(cell, line, marks, f"TypeError: {message}")),
            (f"print({name}([int(x) for x in {mixed}]))", result),
        ]
        return self.say(f"计算{mixed}的{zh}", f"Compute the {en} of {mixed}"), programs, result

    def divided(self, cell):
        """A division by zero, which no program mends."""
        number = int(self.digits(2, 4))
        line = f"print({number} / 0)"
        marks = " " * 6 + "~" * len(str(number)) + "~^~~"
        text = self.say("不能除以零。", "A number cannot be divided by zero.")
        return (
            self.say(f"计算{number} / 0", f"Compute {number} / 0"),
            [(line, traceback(cell, line, marks, "ZeroDivisionError: division by zero"))],
            text,
        )


def arithmetic(text):
    """The value of a sum or product as `Writer.arithmetic` writes it."""
    tokens = text.replace("(", "( ").replace(")", " )").split()
    if tokens[0] == "(":
        a, b, c = int(tokens[1]), int(tokens[3]), int(tokens[6])
        return (a + b) * c
    if len(tokens) == 5:
        a, b, c = int(tokens[0]), int(tokens[2]), int(tokens[4])
        return a + b * c
    a, sign, b = int(tokens[0]), tokens[1], int(tokens[2])
    return {"*": a * b, "-": a - b, "**": a**b if sign == "**" else 0}[sign]


def traceback(cell, line, marks, last):
    """What Glassbox tells of an exception in a program of one line, and that it may be corrected."""
    return (
        f'Traceback (most recent call last):\n  File "<cell {cell}>", line 1, in <module>\n'
        f"    {line}\n    {marks}\n{last}\n\nThe program failed. Correct it; 3 attempts are left."
    )
