//! Durations in JSON: milliseconds, with microseconds as the fraction.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Writes milliseconds.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Whole microseconds: a float of nanoseconds would print digits that mean nothing.
    serializer.serialize_f64(duration.as_micros() as f64 / 1000.0)
}

/// Reads milliseconds; what is no time (negative, not finite, centuries) is an error.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let millis = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(millis / 1000.0).map_err(serde::de::Error::custom)
}
