//! ToolAlpaca's data: a list of APIs, each with `NLDocumentation` and `Instances`. An instance has `input`, `output`,
//! `Final Thought` and `intermediate_steps`; a step is `[[ACTION, INPUT, THOUGHT], OBSERVATION]`, the input JSON as text,
//! and the thought with the action and its input written out behind it.
//!
//! Samples are made of it as ChatGLM3's fine-tuning makes them (`scripts/format_tool_alpaca.py`): the documentation is the
//! one tool, each thought an assistant's entry before its call, and the final thought and the output one reply.

use serde_json::{Value, json};

use super::finding::Findings;
use super::json::{self, Document};
use super::sample::{Conversation, Entry, Placed, Sample};
use super::samples::Object;
use crate::dialect::pyjson;

/// Where a thought ends.
const ACTION: &str = "Action:";

/// What became of one instance, or what is so of the whole API.
type Found = (Option<Placed<Sample>>, Findings);

/// Reads an API.
pub(super) fn read<'d>(document: &'d Document<'d>, text: &'d str) -> Vec<Found> {
    let mut findings = Findings::default();
    let Some(mut object) = Object::read(document, text, String::new(), &mut findings) else {
        return vec![(None, findings)];
    };
    let documentation = match object.take("NLDocumentation") {
        Some(text) => object.as_text("NLDocumentation", text, &mut findings),
        None => None,
    };
    let tools: Vec<Value> = documentation.into_iter().map(Value::String).collect();
    if !object.has("Instances") {
        findings.fault(object.line(), "Instances", "it is missing", "only APIs with instances are samples");
    }
    let instances = object.list("Instances", &mut findings).unwrap_or_default();
    let rest = object.rest();
    if !rest.is_empty() && findings.faults() == 0 {
        findings.loss(object.line(), "", format!("not carried over: {}", rest.join(", ")));
    }
    let mut found = vec![(None, findings)];
    for (number, text) in instances.into_iter().enumerate() {
        let mut findings = Findings::default();
        let sample = instance(document, text, format!("Instances[{number}]"), &mut findings).map(|entries| Placed {
            line: document.line(text),
            value: Sample::Conversation(Conversation { tools: tools.clone(), entries }),
        });
        found.push((sample, findings));
    }
    found
}

fn instance<'d>(
    document: &'d Document<'d>,
    text: &'d str,
    place: String,
    findings: &mut Findings,
) -> Option<Vec<Entry>> {
    let mut object = Object::read(document, text, place, findings)?;
    let mut entries = vec![Entry::User { content: object.text("input", findings)? }];
    if !object.has("intermediate_steps") {
        findings.fault(object.line(), object.at("intermediate_steps"), "it is missing", "write [] where there is none");
    }
    for (number, text) in object.list("intermediate_steps", findings)?.into_iter().enumerate() {
        let place = object.at(&format!("intermediate_steps[{number}]"));
        let line = document.line(text);
        match step(text) {
            Ok(step) => entries.extend(step),
            Err(problem) => findings.fault(line, place, problem, "a step is [[ACTION, INPUT, THOUGHT], OBSERVATION]"),
        }
    }
    let output = object.text("output", findings)?;
    let content = match object.take("Final Thought") {
        Some(thought) => format!("{}\n{output}", object.as_text("Final Thought", thought, findings)?),
        None => output,
    };
    entries.push(assistant(content));
    for key in object.rest() {
        findings.loss(object.line(), key, "it is not carried over");
    }
    Some(entries)
}

fn assistant(content: String) -> Entry {
    Entry::Assistant { metadata: String::new(), content, loss: None }
}

fn step(text: &str) -> Result<[Entry; 2], String> {
    let Value::Array(step) = json::value(text).map_err(|bad| bad.problem)? else {
        return Err("it is no list".to_owned());
    };
    let [Value::Array(action), observation] = step.as_slice() else {
        return Err("it is no list of an action and an observation".to_owned());
    };
    let [Value::String(name), Value::String(input), Value::String(thought)] = action.as_slice() else {
        return Err("its action is no list of three texts".to_owned());
    };
    let parameters =
        json::object(input.trim()).map_err(|bad| format!("the input of `{name}` cannot be read: {}", bad.problem))?;
    let thought = thought.split(ACTION).next().unwrap_or_default().trim().to_owned();
    let call = Entry::Tool { name: name.clone(), parameters, observation: Some(observation.clone()), loss: None };
    Ok([assistant(thought), call])
}

/// APIs in the making: samples with the same tools that follow each other are instances of one.
#[derive(Debug, Default)]
pub(super) struct Apis(Vec<(Option<String>, Vec<Value>)>);

impl Apis {
    /// Adds a sample; a fault where the format cannot hold it.
    pub(super) fn add(&mut self, line: usize, sample: &Conversation, findings: &mut Findings) {
        let documentation = match sample.tools.as_slice() {
            [] => None,
            [Value::String(text)] => Some(text.clone()),
            tools => {
                findings.loss(line, "tools", "they become one text");
                Some(pyjson::dumps(&Value::Array(tools.to_vec()), None))
            }
        };
        let Some(instance) = write(line, sample, findings) else { return };
        match self.0.last_mut() {
            Some((of_last, instances)) if *of_last == documentation => instances.push(instance),
            _ => self.0.push((documentation, vec![instance])),
        }
    }

    pub(super) fn into_json(self) -> Value {
        let api = |(documentation, instances): (Option<String>, Vec<Value>)| match documentation {
            Some(documentation) => json!({"NLDocumentation": documentation, "Instances": instances}),
            None => json!({"Instances": instances}),
        };
        self.0.into_iter().map(api).collect()
    }
}

fn write(line: usize, sample: &Conversation, findings: &mut Findings) -> Option<Value> {
    let form = "an instance is a user's entry, calls with a thought before each, and a reply";
    let cannot = |number: usize, findings: &mut Findings| {
        let place = format!("conversations[{number}]");
        findings.fault(line, place, "ToolAlpaca's format has no place for it", form);
        None
    };
    let mut entries = sample.entries.iter().enumerate().peekable();
    let Some((_, Entry::User { content: input })) = entries.next() else { return cannot(0, findings) };
    let mut steps = Vec::new();
    loop {
        let place = |number: usize| format!("conversations[{number}]");
        let thought = entries.next_if(|(_, entry)| matches!(entry, Entry::Assistant { .. }));
        let text = match thought {
            Some((number, Entry::Assistant { metadata, content, loss })) => {
                if !metadata.is_empty() {
                    return cannot(number, findings);
                }
                if loss.is_some() {
                    findings.loss(line, format!("{}.loss", place(number)), "it is not carried over");
                }
                Some((number, content))
            }
            _ => None,
        };
        match (text, entries.next()) {
            (Some((_, reply)), None) => {
                return Some(match reply.split_once('\n') {
                    Some((thought, output)) => {
                        json!({"input": input, "output": output, "Final Thought": thought, "intermediate_steps": steps})
                    }
                    None => json!({"input": input, "output": reply, "intermediate_steps": steps}),
                });
            }
            (text, Some((number, Entry::Tool { name, parameters, observation, loss }))) => {
                match text {
                    None => {
                        let problem = "there is no thought before the call; an empty one is read back";
                        findings.loss(line, place(number), problem);
                    }
                    Some((at, thought)) if thought.trim() != thought || thought.contains(ACTION) => {
                        let problem = "blanks around a thought, and what follows `Action:`, are not read back";
                        findings.loss(line, format!("{}.content", place(at)), problem);
                    }
                    Some(_) => {}
                }
                if loss.is_some() {
                    findings.loss(line, format!("{}.loss", place(number)), "it is not carried over");
                }
                if observation.is_none() {
                    findings.loss(line, format!("{}.observation", place(number)), "it is missing, and becomes null");
                }
                let input = pyjson::dumps(&Value::Object(parameters.clone()), None);
                let thought = text.map(|(_, thought)| thought.as_str()).unwrap_or_default();
                // The model that it was made with began with a blank, which ToolAlpaca's own scripts take away.
                let blank = if thought.is_empty() { "" } else { " " };
                let written = format!("{blank}{thought}\nAction: {name}\nAction Input: {input}");
                steps.push(json!([[name, input, written], observation]));
            }
            (_, Some((number, _))) => return cannot(number, findings),
            (None, None) => {
                findings.fault(line, "conversations", "it does not end with a reply", form);
                return None;
            }
        }
    }
}
