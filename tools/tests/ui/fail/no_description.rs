#![allow(unused)]

use glassbox_tools::tool;

#[tool]
async fn get_weather(city: String) -> String {
    city
}

///
#[tool]
fn blank() {}

fn main() {}
