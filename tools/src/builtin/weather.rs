//! `get_weather`: the weather now, from wttr.in.
//!
//! The service's JSON (`?format=j1`) is described at <https://github.com/chubin/wttr.in#json-output>: every number in
//! it is a text.

use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tool;

/// How long the service may take, from connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// More than the service ever sends (about 50 KB).
const MOST_BYTES: usize = 1024 * 1024;

/// The tool `get_weather`, and the service that it asks.
#[derive(Debug)]
pub struct Weather {
    base: String,
    client: OnceLock<reqwest::Client>,
}

impl Default for Weather {
    fn default() -> Self {
        Self::at("https://wttr.in")
    }
}

/// The weather at one place, now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeatherReport {
    /// The place, as the service understood it; as asked for, where it does not say.
    pub city: String,
    /// In degrees Celsius.
    pub temperature_c: f64,
    /// What it feels like, in degrees Celsius.
    pub feels_like_c: f64,
    /// Relative humidity in percent.
    pub humidity_percent: f64,
    /// Such as `Partly cloudy`.
    pub description: String,
    /// When it was measured, in the place's time where the service says it, else in UTC.
    pub observed_at: String,
}

/// Why there is no report. The texts are what the model reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeatherError {
    /// No city was named.
    #[error("`{city_name}` does not name a city")]
    NoCity {
        /// What was given.
        city_name: String,
    },
    /// The service does not know the city.
    #[error("the weather service knows no city named `{city_name}`")]
    UnknownCity {
        /// The city.
        city_name: String,
    },
    /// No connection, or none in time.
    #[error("the weather service cannot be reached ({reason}); tell the user that the weather is not available now")]
    Unreachable {
        /// What failed.
        reason: &'static str,
        /// The error behind it.
        source: reqwest::Error,
    },
    /// The service answered with an error.
    #[error("the weather service answered with status {status}; tell the user that the weather is not available now")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The service sent something else than a report.
    #[error("the weather service sent no report ({problem}); tell the user that the weather is not available now")]
    NoReport {
        /// What was wrong with it.
        problem: String,
    },
}

impl Weather {
    /// Asks <https://wttr.in>.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks another service that speaks wttr.in's `format=j1`, such as a mirror; `base` is its address without a path.
    pub fn at(base: impl Into<String>) -> Self {
        Self { base: base.into(), client: OnceLock::new() }
    }

    /// Asks through `client`, which has its own proxies and timeouts.
    #[must_use]
    pub fn with_client(self, client: reqwest::Client) -> Self {
        Self { client: OnceLock::from(client), ..self }
    }

    /// The client is made at the first call: loading certificates takes a while, and most runs never ask.
    fn client(&self) -> Result<&reqwest::Client, WeatherError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let agent = concat!("glassbox/", env!("CARGO_PKG_VERSION"));
        let client = reqwest::Client::builder().timeout(TIMEOUT).user_agent(agent).build().map_err(unreachable)?;
        Ok(self.client.get_or_init(|| client))
    }

    fn url(&self, city_name: &str) -> Result<reqwest::Url, WeatherError> {
        let city = city_name.trim();
        let no_city = || WeatherError::NoCity { city_name: city_name.chars().take(40).collect() };
        // `:help` and the like are the service's own pages, and dots would be steps in the path.
        if city.is_empty() || city.len() > 200 || city.starts_with([':', '.']) {
            return Err(no_city());
        }
        let mut url =
            reqwest::Url::parse(&self.base).map_err(|error| WeatherError::NoReport { problem: error.to_string() })?;
        url.path_segments_mut().map_err(|()| no_city())?.pop_if_empty().push(city);
        url.query_pairs_mut().append_pair("format", "j1");
        Ok(url)
    }
}

#[tool]
impl Weather {
    /// Get the current weather for `city_name`.
    #[tool(read_only, open_world, timeout = 20)]
    pub async fn get_weather(
        &self,
        /// The name of the city to be queried.
        city_name: String,
    ) -> Result<WeatherReport, WeatherError> {
        let url = self.url(&city_name)?;
        let response = self.client()?.get(url).send().await.map_err(unreachable)?;
        let status = response.status();
        if status == reqwest::StatusCode::NOT_FOUND {
            return Err(WeatherError::UnknownCity { city_name });
        }
        if !status.is_success() {
            return Err(WeatherError::Status { status: status.as_u16() });
        }
        report(city_name, &body(response).await?)
    }
}

/// The response's bytes, not more than the service would send.
async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, WeatherError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(WeatherError::NoReport { problem: format!("more than {MOST_BYTES} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unreachable(source: reqwest::Error) -> WeatherError {
    let reason = if source.is_timeout() {
        "it did not answer in time"
    } else if source.is_connect() {
        "there is no connection"
    } else {
        "the request failed"
    };
    WeatherError::Unreachable { reason, source }
}

/// The parts of wttr.in's JSON that are used.
#[derive(Deserialize)]
struct Answer {
    current_condition: Vec<Condition>,
    #[serde(default)]
    nearest_area: Vec<Area>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "temp_C")]
    temp_c: String,
    #[serde(rename = "FeelsLikeC")]
    feels_like_c: String,
    humidity: String,
    weather_desc: Vec<Text>,
    local_obs_date_time: Option<String>,
    #[serde(rename = "observation_time")]
    observation_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Area {
    #[serde(default)]
    area_name: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    value: String,
}

fn report(city_name: String, body: &[u8]) -> Result<WeatherReport, WeatherError> {
    let no_report = |problem: String| WeatherError::NoReport { problem };
    let answer: Answer = serde_json::from_slice(body).map_err(|error| no_report(error.to_string()))?;
    let first = |texts: Vec<Text>| {
        texts.into_iter().next().map(|text| text.value.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let now =
        answer.current_condition.into_iter().next().ok_or_else(|| no_report("no current condition".to_owned()))?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| no_report(format!("`{text}` is not a number")));
    Ok(WeatherReport {
        city: answer.nearest_area.into_iter().next().and_then(|area| first(area.area_name)).unwrap_or(city_name),
        temperature_c: number(&now.temp_c)?,
        feels_like_c: number(&now.feels_like_c)?,
        humidity_percent: number(&now.humidity)?,
        description: first(now.weather_desc).unwrap_or_else(|| "unknown".to_owned()),
        observed_at: now.local_obs_date_time.or(now.observation_time).unwrap_or_else(|| "unknown".to_owned()),
    })
}
