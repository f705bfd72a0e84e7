//! `glassbox serve`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::support::{Home, LONG, finish};

/// Starts a server, and gives where it says that it is.
fn start(home: &Home, args: &[&str]) -> (Child, String, BufReader<std::process::ChildStderr>) {
    let mut child = home.command(&[&["serve", "--port", "0"], args].concat()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(err.read_line(&mut line).unwrap(), 0, "it ended before it was there");
    }
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    (child, address, err)
}

fn post(address: &str, body: &Value) -> (String, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let body = body.to_string();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn a_model_is_served_until_an_interrupt() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "served"}]]));
    let (child, address, _err) = start(&home, &["--model", &model, "--alias", "gpt"]);
    let body = json!({ "model": "gpt", "messages": [{ "role": "user", "content": "hello" }] });
    let (status, reply) = post(&address, &body);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(reply["choices"][0]["message"]["content"], "served");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(finish(child).code, Some(0));
}

#[test]
fn other_machines_need_a_key() {
    let home = Home::new();
    let model = home.script(json!([]));
    let outcome = home.run(&["serve", "--model", &model, "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.err);
    assert!(outcome.err.contains("no API key") && outcome.err.contains("--api-key"), "{}", outcome.err);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let home = Home::new();
    let model = home.script(json!([]));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let outcome = home.run(&["serve", "--model", &model, "--port", &port]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert!(outcome.err.contains(&port) && outcome.err.contains("hint:"), "{}", outcome.err);
}
