//! What is typed after `serve`.

use std::net::IpAddr;

use clap::Args;

/// `glassbox serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  glassbox serve                                 http://127.0.0.1:8080/v1, for this machine alone
  glassbox serve --model qwen2.5-coder-1.5b --port 0 --alias gpt-4o-mini
  GLASSBOX_API_KEY=secret glassbox serve --host 0.0.0.0

  from openai import OpenAI
  client = OpenAI(base_url=\"http://127.0.0.1:8080/v1\", api_key=\"-\")

Tools are the client's: their calls go out as `tool_calls`. Ctrl-C lets the replies under way end; a second one does not.")]
pub(crate) struct ServeArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    /// A key that requests must carry; may be repeated. Needed where other machines can reach the address
    #[arg(long = "api-key", value_name = "KEY", env = "GLASSBOX_API_KEY", hide_env_values = true)]
    pub(crate) api_keys: Vec<String>,
    /// Answer other machines without a key
    #[arg(long, conflicts_with = "api_keys")]
    pub(crate) no_auth: bool,
    /// A further name for the model, such as one that a client has built in; may be repeated
    #[arg(long = "alias", value_name = "NAME")]
    pub(crate) aliases: Vec<String>,
    /// An origin whose pages may ask from a browser, such as `https://example.com`; may be repeated
    #[arg(long = "cors", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Generations that run at once, each with a part of the context
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallel: u32,
    /// Requests that may wait for one of those; further ones are refused with 429
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) queue: usize,
    /// Seconds that a reply may take, its time in the queue included
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) time_limit: u64,
    /// MiB that a request may have
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) body_limit: u32,
}
