//! The built-in tools, each against what it really works on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking; clippy sees helpers of integration tests as production code"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_tools::builtin::{self, Shell, Weather};
use glassbox_tools::{
    AutoApprover, CancellationToken, DenyApprover, Gate, GateEvent, IntoTools, Limits, Registry, ToolCall, ToolError,
    ToolOutcome, tools,
};
use serde_json::{Value, json};

async fn call(tools: impl IntoTools, name: &str, arguments: Value) -> ToolOutcome {
    let gate = Gate::new(Registry::of(tools).unwrap(), Arc::new(AutoApprover), Limits::default());
    gate.dispatch(ToolCall::new("call-1", name, arguments), &CancellationToken::new(), Arc::new(())).await
}

#[test]
fn each_is_found_by_its_name_and_none_harmful_is_in_a_set_for_all() {
    let names = builtin::catalog().into_iter().map(|spec| spec.name).collect::<Vec<_>>();
    assert_eq!(names, ["track", "get_weather", "random_number_generator", "calculator", "shell"]);
    for name in &names {
        assert_eq!(builtin::by_name(name).unwrap().spec().name, *name);
    }
    assert!(builtin::by_name("Shell").is_none());
    assert!(builtin::harmless().iter().chain(&builtin::demo()).all(|tool| !tool.spec().hints.destructive));
    let shell = builtin::by_name("shell").unwrap();
    assert!(shell.spec().hints.destructive && shell.spec().hints.open_world);
}

#[tokio::test]
async fn track_speaks_as_the_chatglm3_example_does() {
    let spec = builtin::by_name("track").unwrap().spec().clone();
    assert_eq!(spec.description, "追踪指定股票的实时价格");
    assert_eq!(spec.parameters["properties"]["symbol"]["description"], "需要追踪的股票代码");
    for symbol in [json!("10111"), json!(10111)] {
        let outcome = call(tools![builtin::track], "track", json!({"symbol": symbol})).await;
        let answer: Value = serde_json::from_str(&outcome.for_model).unwrap();
        assert_eq!(answer["price"], 12412);
        assert!(answer["source"].as_str().unwrap().contains("demonstration"), "{answer}");
    }
}

#[tokio::test]
async fn the_generator_gives_a_model_the_same_number_again() {
    let arguments = json!({"seed": 42, "range": [1, 6]});
    let first = call(tools![builtin::random_number_generator], "random_number_generator", arguments.clone()).await;
    let second = call(tools![builtin::random_number_generator], "random_number_generator", arguments).await;
    assert_eq!(first.for_model, second.for_model);
    assert!((1..=6).contains(&first.for_model.parse::<i64>().unwrap()));
    let wrong =
        call(tools![builtin::random_number_generator], "random_number_generator", json!({"seed": 1, "range": [6, 1]}))
            .await;
    assert_eq!(wrong.for_model, "Error: the range is [6, 1]; its first number must be less than its second");
    let short =
        call(tools![builtin::random_number_generator], "random_number_generator", json!({"seed": 1, "range": 6})).await;
    assert!(short.for_model.contains("a list of at least 2 items"), "{}", short.for_model);
}

#[tokio::test]
async fn the_calculator_answers_with_a_value_or_a_place() {
    let outcome = call(tools![builtin::calculator], "calculator", json!({"expression": "12412 * 100"})).await;
    assert_eq!(outcome.for_model, "1241200");
    let outcome = call(tools![builtin::calculator], "calculator", json!({"expression": "2 +"})).await;
    assert!(outcome.for_model.starts_with("Error: at character 4"), "{}", outcome.for_model);
}

mod weather {
    use super::*;
    use wiremock::matchers::{method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    /// To a server on this machine, whatever proxies the environment names.
    fn at(base: &str) -> Weather {
        within(base, Duration::from_secs(20))
    }

    fn within(base: &str, timeout: Duration) -> Weather {
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).build().unwrap();
        Weather::at(base).with_client(client)
    }

    async fn answering(response: ResponseTemplate) -> (MockServer, Weather) {
        let server = MockServer::start().await;
        Mock::given(method("GET")).and(query_param("format", "j1")).respond_with(response).mount(&server).await;
        let weather = at(&server.uri());
        (server, weather)
    }

    fn answer() -> Value {
        json!({
            "current_condition": [{
                "FeelsLikeC": "20", "humidity": "40", "localObsDateTime": "2025-06-01 10:12 AM", "observation_time": "02:12 AM",
                "temp_C": "21", "weatherDesc": [{"value": "Sunny "}], "windspeedKmph": "7",
            }],
            "nearest_area": [{"areaName": [{"value": "Beijing"}], "country": [{"value": "China"}]}],
            "request": [{"query": "北京", "type": "City"}],
            "weather": [],
        })
    }

    #[tokio::test]
    async fn is_a_short_report() {
        let server = MockServer::start().await;
        // The city is one segment of the path, whatever is in it.
        Mock::given(method("GET"))
            .and(path("/%E5%8C%97%E4%BA%AC%2F..%3Fx"))
            .and(query_param("format", "j1"))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer()))
            .expect(1)
            .mount(&server)
            .await;
        let outcome = call(at(&server.uri()), "get_weather", json!({"city_name": " 北京/..?x "})).await;
        assert_eq!(
            serde_json::from_str::<Value>(&outcome.for_model).unwrap_or_else(|_| panic!("{}", outcome.for_model)),
            json!({
                "city": "Beijing", "temperature_c": 21.0, "feels_like_c": 20.0, "humidity_percent": 40.0,
                "description": "Sunny", "observed_at": "2025-06-01 10:12 AM",
            })
        );
    }

    #[tokio::test]
    async fn of_a_service_that_fails_is_a_sentence_to_report() {
        for (response, expected) in [
            (ResponseTemplate::new(404), "the weather service knows no city named `Oz`"),
            (ResponseTemplate::new(503), "answered with status 503"),
            (ResponseTemplate::new(200).set_body_string("Sorry, we are running out of queries"), "sent no report"),
            (ResponseTemplate::new(200).set_body_json(json!({"current_condition": []})), "no current condition"),
            (ResponseTemplate::new(200).set_body_bytes(vec![b' '; 2 << 20]), "more than 1048576 bytes"),
            (ResponseTemplate::new(200).set_delay(Duration::from_secs(30)), "it did not answer in time"),
        ] {
            let (server, weather) = answering(response).await;
            let impatient = within(&server.uri(), Duration::from_millis(300));
            let weather = if expected.contains("in time") { impatient } else { weather };
            let outcome = call(weather, "get_weather", json!({"city_name": "Oz"})).await;
            assert!(outcome.for_model.contains(expected), "{expected}: {}", outcome.for_model);
            assert!(matches!(outcome.result, Err(ToolError::Failed { .. })));
        }
    }

    #[tokio::test]
    async fn without_a_connection_says_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let outcome = call(at(&address), "get_weather", json!({"city_name": "Beijing"})).await;
        assert_eq!(
            outcome.for_model,
            "Error: the weather service cannot be reached (there is no connection); tell the user that the weather is not available now"
        );
    }

    #[tokio::test]
    async fn of_no_city_is_not_asked_for() {
        for name in ["", "  ", ".", "..", ":help"] {
            let outcome = call(at("http://127.0.0.1:9"), "get_weather", json!({"city_name": name})).await;
            assert!(outcome.for_model.contains("does not name a city"), "{name}: {}", outcome.for_model);
        }
    }
}

#[cfg(unix)]
mod shell {
    use super::*;

    /// Whether the process lives. A zombie does not.
    fn lives(pid: &str) -> bool {
        let status = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        let state = String::from_utf8_lossy(&status.stdout);
        !state.trim().is_empty() && !state.trim_start().starts_with('Z')
    }

    async fn ends(pid: &str) {
        let wait = async {
            while lives(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), wait)
            .await
            .unwrap_or_else(|_| panic!("process {pid} still lives"));
    }

    #[tokio::test]
    async fn reports_output_and_exit_code() {
        for (command, expected) in [
            ("echo one; echo two >&2", None),
            ("printf 天气", Some("天气\n[exit code 0]")),
            ("exit 3", Some("(no output)\n[exit code 3]")),
            ("cat; echo after", Some("after\n[exit code 0]")),
            ("kill -9 $$", Some("(no output)\n[killed by signal 9]")),
        ] {
            let outcome = call(Shell::new(), "shell", json!({"command": command})).await;
            match expected {
                Some(expected) => assert_eq!(outcome.for_model, expected, "{command}"),
                None => assert!(
                    ["one", "two", "[exit code 0]"].iter().all(|part| outcome.for_model.contains(part)),
                    "{}",
                    outcome.for_model
                ),
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let outcome = call(Shell::new().in_directory(directory.path()), "shell", json!({"command": "pwd -P"})).await;
        assert!(outcome.for_model.starts_with(directory.path().canonicalize().unwrap().to_str().unwrap()));
        let outcome = call(Shell::new(), "shell", json!({"command": "echo \u{0}"})).await;
        assert!(outcome.for_model.contains("NUL"), "{}", outcome.for_model);
    }

    #[tokio::test]
    async fn is_refused_unless_somebody_allows_it() {
        let directory = tempfile::tempdir().unwrap();
        let gate = Gate::new(
            Registry::of(Shell::new().in_directory(directory.path())).unwrap(),
            Arc::new(DenyApprover),
            Limits::default(),
        );
        let call = ToolCall::new("call-1", "shell", json!({"command": "touch made"}));
        let outcome = gate.dispatch(call, &CancellationToken::new(), Arc::new(())).await;
        assert!(matches!(outcome.result, Err(ToolError::Denied { .. })));
        assert!(!directory.path().join("made").exists());
    }

    #[tokio::test]
    async fn takes_all_it_started_with_it_when_it_is_cancelled() {
        let gate = Gate::new(Registry::of(Shell::new()).unwrap(), Arc::new(AutoApprover), Limits::default());
        let turn = CancellationToken::new();
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let observer = Arc::new(move |event: GateEvent| {
            if let GateEvent::Output { text, .. } = event {
                let _ = sender.send(text);
            }
        });
        let call = ToolCall::new("call-1", "shell", json!({"command": "sleep 1000 & echo $!; wait"}));
        let (outcome, (pid, cancelled)) = tokio::join!(gate.dispatch(call, &turn, observer), async {
            let pid = printed.recv().await.unwrap().trim().to_owned();
            assert!(lives(&pid));
            turn.cancel();
            (pid, Instant::now())
        });
        assert!(cancelled.elapsed() < Duration::from_millis(200), "{:?}", cancelled.elapsed());
        assert!(matches!(outcome.result, Err(ToolError::Cancelled { .. })));
        ends(&pid).await;
    }

    #[tokio::test]
    async fn does_not_wait_for_what_it_left_in_the_background_and_ends_it() {
        let before = Instant::now();
        let outcome = call(Shell::new(), "shell", json!({"command": "sleep 1000 & echo $!"})).await;
        assert!(before.elapsed() < Duration::from_secs(10));
        let pid = outcome.for_model.lines().next().unwrap().to_owned();
        assert!(outcome.for_model.ends_with("[exit code 0]"), "{}", outcome.for_model);
        ends(&pid).await;
    }

    #[tokio::test]
    async fn is_stopped_when_its_time_is_up_however_much_it_prints() {
        let limits = Limits::default().with_timeout(Duration::from_millis(300));
        let gate = Gate::new(Registry::of(Shell::new()).unwrap(), Arc::new(AutoApprover), limits);
        let before = Instant::now();
        let outcome = gate
            .dispatch(
                ToolCall::new("call-1", "shell", json!({"command": "yes"})),
                &CancellationToken::new(),
                Arc::new(()),
            )
            .await;
        assert!(matches!(outcome.result, Err(ToolError::Timeout { .. })));
        assert!(before.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn keeps_the_beginning_and_the_end_of_a_long_output() {
        let command = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
        let outcome = call(Shell::new().keeping(1000), "shell", json!({"command": command})).await;
        let text = &outcome.for_model;
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with("line 19999\n[exit code 0]"), "{text}");
        assert!(text.contains("bytes were not kept") && text.len() < 1200, "{}", text.len());
    }
}
