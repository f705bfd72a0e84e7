//! Tools that come with Glassbox: those of the ChatGLM3 demos, done right.
//!
//! | name | does | hints |
//! |---|---|---|
//! | `track` | the price of a stock, from a fixed demonstration table | read only |
//! | `get_weather` | the weather now, from [wttr.in](https://wttr.in) (feature `web`) | read only, open world |
//! | `random_number_generator` | a random number that the same seed gives again | read only |
//! | `calculator` | arithmetic | read only |
//! | `shell` | runs a command; in no default set | destructive, open world |
//! | `read_output` | reads on in a long output; made from an [`OutputStore`](crate::OutputStore), see [`ReadOutput`] | read only |

mod arithmetic;
mod random;
mod read_output;
#[cfg(unix)]
mod shell;
mod stocks;
#[cfg(feature = "web")]
mod weather;

pub use arithmetic::{CalculatorError, calculator};
pub use random::{EmptyRange, random_number_generator};
pub use read_output::{ReadOutput, UnknownHandle};
#[cfg(unix)]
pub use shell::{Shell, ShellError};
pub use stocks::{Price, UnknownStock, track};
#[cfg(feature = "web")]
pub use weather::{Weather, WeatherError, WeatherReport};

use crate::{BoxTool, IntoTools, ToolSpec, tools};

/// The tools of ChatGLM3's own example: `track` and, with the feature `web`, `get_weather`.
pub fn demo() -> Vec<BoxTool> {
    #[allow(unused_mut, reason = "nothing is added without the feature")]
    let mut tools = tools![track];
    #[cfg(feature = "web")]
    tools.extend(Weather::new().into_tools());
    tools
}

/// Every tool that harms nothing: all but `shell`.
pub fn harmless() -> Vec<BoxTool> {
    let mut tools = demo();
    tools.extend(tools![random_number_generator, calculator]);
    tools
}

/// Every built-in tool, `shell` included, in the order of the table above. `read_output` is not among them: it belongs
/// to one [`OutputStore`](crate::OutputStore).
pub fn all() -> Vec<BoxTool> {
    #[allow(unused_mut, reason = "nothing is added where there is no shell")]
    let mut tools = harmless();
    #[cfg(unix)]
    tools.extend(Shell::new().into_tools());
    tools
}

/// The description of every tool of [`all`].
pub fn catalog() -> Vec<ToolSpec> {
    all().iter().map(|tool| tool.spec().clone()).collect()
}

/// The tool of [`all`] that has this name.
pub fn by_name(name: &str) -> Option<BoxTool> {
    all().into_iter().find(|tool| tool.spec().name == name)
}
