use super::*;

fn value(expression: &str) -> String {
    match parser::evaluate(expression) {
        Ok(value) => value.to_string(),
        Err(error) => panic!("{expression}: {error}"),
    }
}

fn error(expression: &str) -> String {
    match parser::evaluate(expression) {
        Ok(value) => panic!("{expression} gave {value}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_are_those_of_python() {
    for (expression, expected) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "512"),
        ("-2 ** 2", "-4"),
        ("2 ** -2", "0.25"),
        ("- - 3", "3"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 // -2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("7.5 % 2", "1.5"),
        ("6 / 3", "2"),
        ("7 / 2", "3.5"),
        ("0.1 + 0.2", "0.3"),
        ("1e3", "1000"),
        ("1.5e-3", "0.0015"),
        (".5 + 5.", "5.5"),
        ("1_000_000 * 2", "2000000"),
        ("3 × 4 ÷ 2 − 1", "5"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("123456789 * 987654321", "121932631112635269"),
        ("sqrt(16)", "4"),
        ("sqrt(2)", "1.4142135623731"),
        ("sqrt(0.25)", "0.5"),
        ("abs(-3.5) + abs(-3)", "6.5"),
        ("round(2.5)", "2"),
        ("round(3.5)", "4"),
        ("round(2.71828, 2)", "2.72"),
        ("round(7, 2)", "7"),
        ("floor(-1.5) + ceil(1.2)", "0"),
        ("min(3, 1.5, 2)", "1.5"),
        ("max(3, 1.5, 2)", "3"),
        ("max(min(1, 2), min(3, 4))", "3"),
        ("sin(0) + cos(0)", "1"),
        ("tan(pi / 4)", "1"),
        ("log(e)", "1"),
        ("log(8, 2)", "3"),
        ("log10(1000)", "3"),
        ("log2(1024)", "10"),
        ("exp(0)", "1"),
        ("2 ** 0.5", "1.4142135623731"),
        ("0 ** 0", "1"),
        ("12412 * 1.1", "13653.2"),
        ("1 / 3", "0.333333333333333"),
        ("10 ** 40", "1e40"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (expression, expected) in [
        ("", "at character 1: expected a number, a function or `(`, found the end"),
        ("1 +", "at character 4: expected a number, a function or `(`, found the end"),
        ("1 + * 2", "at character 5: expected a number, a function or `(`, found `*`"),
        ("(1 + 2", "at character 7: expected an operator or `)`, found the end"),
        ("1 2", "at character 3: expected an operator or the end, found `2`"),
        ("2 ^ 3", "at character 3: expected an operator or the end; powers are written `**`, found `^`"),
        ("x = 1", "at character 1: `x` is unknown; known are "),
        ("1 + 1 = 2", "without `=`, found `=`"),
        ("__import__('os')", "at character 1: expected a number, a function or `(`, found `_`"),
        ("exec(1)", "at character 1: `exec` is unknown"),
        ("1 / 0", "at character 3: division by zero"),
        ("1 // 0.0", "at character 3: division by zero"),
        ("1 % 0", "at character 3: division by zero"),
        ("0 ** -1", "at character 3: division by zero"),
        ("sqrt(-1)", "at character 1: sqrt(-1) is not a real number"),
        ("log(0)", "at character 1: log(0) is not defined"),
        ("log(8, 1)", "1 cannot be the base"),
        ("(-8) ** 0.5", "no value among the real numbers"),
        ("10.0 ** 400", "at character 6: the result is too large"),
        ("1e999", "at character 1: the result is too large"),
        ("sqrt(1, 2)", "`sqrt` takes one argument, not 2"),
        ("min()", "`min` takes one argument or more, not 0"),
        ("1..2", "at character 3: expected an operator or the end, found `.`"),
        (".", "at character 1: expected a number, found `.`"),
        ("天气", "at character 1: `天气` is unknown"),
    ] {
        let found = error(expression);
        assert!(found.contains(expected), "{expression}: {found}");
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    assert_eq!(value(&format!("{}1{}", "(".repeat(60), ")".repeat(60))), "1");
    for hostile in ["(", "-", "sqrt(", "2**"] {
        let found = error(&hostile.repeat(600));
        assert!(found.contains("within each other"), "{hostile}: {found}");
    }
    assert!(error(&"1+".repeat(100_000)).contains("200000 bytes"));
}

#[test]
fn integers_that_do_not_fit_become_floats() {
    assert_eq!(value(&format!("{} + 1", i128::MAX)), "1.70141183460469e38");
    assert_eq!(value(&format!("-{} - 2", i128::MAX)), "-1.70141183460469e38");
    assert_eq!(value(&format!("(-{} - 1) // -1", i128::MAX)), "1.70141183460469e38");
    assert_eq!(value(&format!("(-{} - 1) % -1", i128::MAX)), "0");
    assert_eq!(value(&format!("abs(-{} - 1)", i128::MAX)), "1.70141183460469e38");
}

proptest::proptest! {
    #[test]
    fn any_text_gives_a_number_or_an_error(text in "[-+*/%()., 0-9a-zπ]{0,60}") {
        let _ = parser::evaluate(&text);
    }

    #[test]
    fn integer_arithmetic_is_exact(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
        proptest::prop_assert_eq!(value(&format!("({a}) * ({b}) + ({a}) - ({b})")), (i128::from(a) * i128::from(b) + i128::from(a) - i128::from(b)).to_string());
        if b != 0 {
            let (quotient, rest) = (value(&format!("({a}) // ({b})")), value(&format!("({a}) % ({b})")));
            let (quotient, rest) = (quotient.parse::<i64>().unwrap(), rest.parse::<i64>().unwrap());
            proptest::prop_assert_eq!(quotient * b + rest, a);
            proptest::prop_assert!(rest == 0 || (rest < 0) == (b < 0));
            proptest::prop_assert!(rest.abs() < b.abs());
        }
    }
}
