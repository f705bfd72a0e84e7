//! What a model reads of a tool, for every way in which a parameter can be declared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_arguments,
    reason = "a test fails by panicking, and these functions show every kind of argument at once"
)]

use std::collections::BTreeMap;

use glassbox_tools::{Registry, Tool, ToolContext, schemars, tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No snapshot is kept of a schema that the registry would refuse.
fn shown(tool: impl Tool) -> serde_json::Value {
    let registry = Registry::of(tool).unwrap();
    registry.iter().next().unwrap().for_model()
}

/// Get the weather for `city_name` in the following week.
///
/// Ask for one city at a time.
#[tool]
async fn get_weather(
    /// The name of the city to be queried.
    city_name: String,
) -> String {
    city_name
}

/// What each primitive becomes.
#[tool]
fn primitives(
    text: String,
    borrowed: &str,
    letter: char,
    flag: bool,
    tiny: i8,
    small: u16,
    medium: i32,
    unsigned: u32,
    large: i64,
    size: usize,
    single: f32,
    double: f64,
) -> String {
    format!("{text}{borrowed}{letter}{flag}{tiny}{small}{medium}{unsigned}{large}{size}{single}{double}")
}

/// What may be left out.
#[tool]
fn optional(
    /// Neither has a default.
    limit: Option<u32>,
    #[tool(default = 5)] days: u8,
    #[tool(default = "Paris")] city: String,
    #[tool(default)] tags: Vec<String>,
    #[tool(default = vec![1.5, 2.5])] weights: Vec<f64>,
    unit: Option<Unit>,
    place: Option<Place>,
    required: bool,
) -> String {
    format!("{limit:?}{days}{city}{tags:?}{weights:?}{unit:?}{place:?}{required}")
}

/// What constrains.
#[tool]
fn constrained(
    #[schemars(range(min = 1, max = 7))] days: u8,
    #[schemars(range(min = -0.5))] ratio: f64,
    #[schemars(length(min = 1, max = 40))] name: String,
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))] code: String,
    #[schemars(length(max = 3), inner(length(max = 8)))] tags: Vec<String>,
    #[serde(rename = "type")] kind: String,
    r#final: bool,
) -> String {
    format!("{days}{ratio}{name}{code}{tags:?}{kind}{final}", r#final = r#final)
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Degrees Celsius.
    Celsius,
    /// Degrees Fahrenheit.
    Fahrenheit,
    Kelvin,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Plain {
    Up,
    Down,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shape", rename_all = "snake_case")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

/// Docs of a type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Place {
    /// The city's name.
    city: String,
    /// Where it lies.
    position: Option<Position>,
    /// A member with the name of a keyword stays.
    title: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Position {
    latitude: f64,
    longitude: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Tree {
    value: i64,
    children: Vec<Tree>,
}

/// Types of one's own.
#[tool]
fn nested(
    /// The first.
    unit: Unit,
    direction: Plain,
    shape: Shape,
    place: Place,
    places: Vec<Place>,
    pair: [i64; 2],
    tuple: (String, u8),
    by_name: BTreeMap<String, u8>,
    tree: Tree,
) -> String {
    format!("{unit:?}{direction:?}{shape:?}{place:?}{places:?}{pair:?}{tuple:?}{by_name:?}{tree:?}")
}

/// The context stays out.
#[tool]
async fn with_context(context: &ToolContext, text: String) -> String {
    context.emit(&text);
    text
}

/// Nothing to say.
#[tool]
async fn no_parameters() {}

#[test]
fn of_text() {
    insta::assert_json_snapshot!(shown(get_weather {}));
}

#[test]
fn of_primitives() {
    insta::assert_json_snapshot!(shown(primitives {}));
}

#[test]
fn of_what_may_be_left_out() {
    insta::assert_json_snapshot!(shown(optional {}));
}

#[test]
fn of_constraints() {
    insta::assert_json_snapshot!(shown(constrained {}));
}

#[test]
fn of_types_of_ones_own() {
    insta::assert_json_snapshot!(shown(nested {}));
}

#[test]
fn of_a_tool_with_a_context() {
    insta::assert_json_snapshot!(shown(with_context {}));
}

#[test]
fn of_a_tool_without_parameters() {
    insta::assert_json_snapshot!(shown(no_parameters {}));
}

#[test]
fn of_every_built_in_tool() {
    let catalog = glassbox_tools::builtin::catalog();
    insta::assert_json_snapshot!(catalog.iter().map(|spec| spec.for_model()).collect::<Vec<_>>());
}

#[test]
fn a_description_keeps_its_lines_and_loses_their_margin() {
    let spec = get_weather {}.spec().clone();
    assert_eq!(
        spec.description,
        "Get the weather for `city_name` in the following week.\n\nAsk for one city at a time."
    );
}

#[test]
fn the_keys_of_the_attribute_arrive_in_the_spec() {
    /// Says `text`.
    #[tool(name = "text-to-speech", destructive, open_world = true, serial, timeout = 2.5)]
    async fn speak(text: String) -> String {
        text
    }
    /// Reads.
    #[tool(read_only, description = "Read, in other words.")]
    async fn read() {}

    let tools = tools![speak, read];
    let spec = tools[0].spec();
    assert_eq!(spec.name, "text-to-speech");
    assert!(spec.hints.destructive && spec.hints.open_world && !spec.hints.read_only && spec.serial);
    assert_eq!(spec.timeout, Some(std::time::Duration::from_millis(2500)));
    let json = serde_json::to_value(spec).unwrap();
    assert_eq!(json["timeout"], 2.5);
    assert_eq!(serde_json::from_value::<glassbox_tools::ToolSpec>(json).unwrap(), *spec);
    let spec = tools[1].spec();
    assert!(spec.hints.read_only && !spec.hints.destructive && !spec.serial);
    assert_eq!(spec.description, "Read, in other words.");
    assert_eq!(spec.timeout, None);
    assert!(serde_json::to_value(spec).unwrap().get("timeout").is_none());
}
