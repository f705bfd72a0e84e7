//! What happens inside, for who wants to know: `-v`, `-vv`, `RUST_LOG`.

use tracing_subscriber::EnvFilter;

use crate::settings::Show;

/// Sends the log to standard error. Without `-v` it is silent: what a person must know is said by the command itself.
pub(crate) fn start(show: Show) {
    let default = match show.verbose {
        0 => "off",
        1 => "warn,glassbox=info,glassbox_tools=info,glassbox_model=info",
        2 => "info,glassbox=debug,glassbox_tools=debug,glassbox_model=debug",
        _ => "trace",
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ => EnvFilter::new(default),
    };
    // An error means that a logger is set already, and then that one is used.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(show.color.paint(std::io::IsTerminal::is_terminal(&std::io::stderr())).is_on())
        .try_init();
}
