//! Programs of a turn on CPython in WebAssembly. Needs what `glassbox setup` makes.

use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox::model::ScriptedModel;
use glassbox::model::scripted::Reply;
use glassbox::sandbox::{InputSource, Output, Sandbox};
use glassbox::{CancellationToken, CodeRecord, Event, Session, TurnOptions};

use crate::support::{agent, within};

/// How long a cancelled turn may take to end. The aim is 200 ms; this is for a busy machine.
const BOUND: Duration = Duration::from_secs(2);

fn session(model: &ScriptedModel) -> Session {
    let sandbox = Sandbox::python().unwrap_or_else(|error| panic!("{error}; hint: {:?}", error.hint()));
    agent(model).interpreter(sandbox).build().unwrap().session()
}

/// Runs one program, which must fail; gives what the person sees of the traceback, and what the model reads.
async fn fails(source: &str) -> (String, String) {
    let model = ScriptedModel::new([Reply::code(source), Reply::text("ok")]);
    let reply = within(session(&model).send("go")).await.unwrap();
    let code: &CodeRecord = &reply.code()[0];
    let traceback = code.outputs.iter().find_map(|output| match output {
        Output::Error { traceback, .. } => Some(traceback.join("\n")),
        _ => None,
    });
    (traceback.expect("it did not fail"), code.observation.clone())
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// Knows one answer.
struct Ada;

#[async_trait::async_trait]
impl InputSource for Ada {
    async fn line(&self, prompt: &str, _hidden: bool) -> Option<String> {
        (prompt == "name? ").then(|| "Ada".to_owned())
    }
}

#[tokio::test]
async fn a_program_that_asks_is_answered_by_the_person_where_there_is_one() {
    let (_, observation) = fails("input('name? ')").await;
    has(&observation, &["EOFError: nobody is there to answer `input()`; put the value into the program"]);
    let model = ScriptedModel::new([Reply::code("print(input('name? '))\ninput('age? ')"), Reply::text("ok")]);
    let mut session = agent(&model).interpreter(Sandbox::python().unwrap()).input(Ada).build().unwrap().session();
    let reply = within(session.send("go")).await.unwrap();
    let observation = &reply.code()[0].observation;
    assert!(
        observation.starts_with("Ada\n") && observation.contains("EOFError: there is no more input"),
        "{observation}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_turn_stops_its_cell_and_the_session_goes_on() {
    let busy = "print('on', flush=True)\nwhile True: pass";
    let asleep = "import time\nprint('on', flush=True)\ntime.sleep(1000)";
    let (mut ended, mut stopped) = (Vec::new(), Vec::new());
    for round in 0..20 {
        let source = if round % 2 == 0 { busy } else { asleep };
        let model = ScriptedModel::new([Reply::code(source), Reply::code("print(6 * 7)"), Reply::text("ok")]);
        let mut session = session(&model);
        let token = CancellationToken::new();
        let mut events = session.stream_with("go", TurnOptions::new().cancellation(token.clone()));
        within(async { while !matches!(events.next().await, Some(Ok(Event::CodeOutput { .. }))) {} }).await;
        let started = Instant::now();
        token.cancel();
        within(async { while events.next().await.is_some() {} }).await;
        ended.push(started.elapsed());
        drop(events);
        let reply = within(session.send("again")).await.unwrap();
        assert_eq!(reply.code()[0].observation, "42");
        // The stream does not wait for its cell; the next one does.
        stopped.push(started.elapsed());
    }
    for (what, times) in [("the end of the stream", &mut ended), ("the end of the next cell", &mut stopped)] {
        times.sort();
        println!("from cancel to {what}: median {:?}, longest {:?}", times[10], times[19]);
        assert!(times[19] < BOUND, "{what}: {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_traceback_is_whole_for_the_person_and_has_no_library_for_the_model() {
    let source =
        "import pandas as pd\ndef look(frame):\n    return frame['b']\ntable = pd.DataFrame({'a': [1]})\nlook(table)";
    let (person, model) = fails(source).await;
    has(&person, &["in look", "return frame['b']", "pandas/", "KeyError: 'b'"]);
    has(&model, &["look(table)", "in look", "return frame['b']", "KeyError: 'b'"]);
    assert!(model.len() < person.len(), "{model}");
    // Those of the library are counted in their place, and the host's own side is seen by nobody.
    assert!(!model.contains("site-packages") && !model.contains("python315.zip"), "{model}");
    for text in [&person, &model] {
        assert!(!text.contains("glassbox_guest") && !text.contains("<glassbox>"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_exceptions_is_told_whole() {
    let source = "def parse(text):\n    try:\n        return int(text)\n    except ValueError as error:\n        raise RuntimeError('no number') from error\nparse('x')";
    let (person, model) = fails(source).await;
    for text in [&person, &model] {
        has(text, &["ValueError: invalid literal", "direct cause", "raise RuntimeError", "RuntimeError: no number"]);
    }
    let during = "try:\n    {}['k']\nexcept KeyError:\n    1 / 0";
    let (person, model) = fails(during).await;
    for text in [&person, &model] {
        has(text, &["KeyError: 'k'", "During handling", "ZeroDivisionError"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_points_to_its_place() {
    let (person, model) = fails("x = 1\nif x\n    print(x)").await;
    for text in [&person, &model] {
        has(text, &["line 2", "if x", "^", "SyntaxError: expected ':'"]);
        assert!(!text.contains("Traceback") && !text.contains("compile("), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_group_names_its_members() {
    let source = "def member(kind, text):\n    try:\n        raise kind(text)\n    except Exception as error:\n        return error\nraise ExceptionGroup('many', [member(ValueError, 'one'), member(TypeError, 'two')])";
    let (person, model) = fails(source).await;
    for text in [&person, &model] {
        has(text, &["ExceptionGroup: many (2 sub-exceptions)", "ValueError: one", "TypeError: two"]);
    }
    let source = "import json\ndef read(text):\n    try:\n        json.loads(text)\n    except Exception as error:\n        return error\nraise ExceptionGroup('many', [read(text) for text in ('{', '[', '?')])";
    let (person, model) = fails(source).await;
    has(&person, &["JSONDecodeError", "json/decoder.py"]);
    has(&model, &["JSONDecodeError", "json.loads(text)", "frames inside libraries"]);
    assert!(!model.contains("decoder.py"), "{model}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_written_again_with_the_same_size_is_listed() {
    let write = |text: &str| Reply::code(format!("open('a.txt', 'w').write('{text}')\nNone"));
    let model = ScriptedModel::new([
        write("one"),
        Reply::text("ok"),
        write("two"),
        Reply::text("ok"),
        Reply::code("open('a.txt').read()"),
        Reply::text("ok"),
    ]);
    let mut session = session(&model);
    for (text, listed) in [("first", 1), ("again", 1), ("read", 0)] {
        let reply = within(session.send(text)).await.unwrap();
        assert_eq!(reply.code()[0].files.len(), listed, "{text}: {:?}", reply.code()[0]);
    }
}
