//! Our own `poll_oneoff`: sleeping, without holding up a thread and without missing an interrupt.
//!
//! Wasmtime's waits to the end whatever happens. CPython uses it for `time.sleep` (one subscription to a clock, at an
//! absolute time) and `select` (descriptors, which are all files here and so always ready).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{AsContextMut, Caller};

use super::errno;
use super::state::{Host, look, memory_and_host};

/// Bytes of a subscription and of an event, and the places of their members, as the preview1 ABI has them.
const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;
/// Subscriptions in one call. CPython makes one; `select` at most as many as there are descriptors.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// One subscription.
#[derive(Debug, PartialEq)]
struct Subscription {
    userdata: u64,
    kind: Kind,
}

#[derive(Debug, PartialEq)]
enum Kind {
    /// `realtime` or else monotonic; a span, or the clock's own time where `absolute`.
    Clock { realtime: bool, nanoseconds: u64, absolute: bool },
    /// Reading (1) or writing (2) of a descriptor.
    Descriptor(u8),
}

/// Waits for the first of `count` subscriptions.
pub(super) async fn poll_oneoff(
    mut caller: Caller<'_, Host>,
    (subscriptions, events, count, written): (u32, u32, u32, u32),
) -> wasmtime::Result<i32> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Ok(errno::INVAL);
    }
    let (memory, host) = memory_and_host(&mut caller)?;
    let (start, count) = (subscriptions as usize, count as usize);
    let Some(bytes) = memory.get(start..start.saturating_add(count.saturating_mul(SUBSCRIPTION))) else {
        return Ok(errno::FAULT);
    };
    let Some(asked) = bytes.chunks_exact(SUBSCRIPTION).map(read).collect::<Option<Vec<_>>>() else {
        return Ok(errno::INVAL);
    };
    let monotonic = host.clock.elapsed();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let span = |subscription: &Subscription| match subscription.kind {
        Kind::Descriptor(_) => Duration::ZERO,
        Kind::Clock { realtime, nanoseconds, absolute } => {
            let now = if realtime { wall } else { monotonic };
            let time = Duration::from_nanos(nanoseconds);
            if absolute { time.saturating_sub(now) } else { time }
        }
    };
    let spans: Vec<Duration> = asked.iter().map(span).collect();
    let shortest = spans.iter().min().copied().unwrap_or_default();
    if !shortest.is_zero() {
        // An interrupted sleep is one that ended early. CPython looks for signals next, and raises; the C library makes
        // `ENOTSUP` of every error here, `EINTR` as well.
        sleep(&mut caller, shortest).await?;
    }
    let ready = asked.iter().zip(&spans).filter(|(_, span)| **span <= shortest).map(|(asked, _)| asked);
    let answer: Vec<u8> = ready.flat_map(event).collect();
    let (memory, _) = memory_and_host(&mut caller)?;
    let number = u32::try_from(answer.len() / EVENT).unwrap_or(u32::MAX);
    let stored = store(memory, events, &answer) && store(memory, written, &number.to_le_bytes());
    Ok(if stored { errno::SUCCESS } else { errno::FAULT })
}

/// Sleeps, at the longest until the cell is interrupted.
async fn sleep(caller: &mut Caller<'_, Host>, span: Duration) -> wasmtime::Result<()> {
    let end = Instant::now().checked_add(span);
    loop {
        if look(caller.as_context_mut())? {
            return Ok(());
        }
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            return Ok(());
        }
        let Some(watch) = &caller.data().watch else { return Ok(()) };
        let cancelled = watch.caller();
        let wake = end.map_or(watch.next_look(), |end| end.min(watch.next_look()));
        if cancelled.is_cancelled() {
            // Interrupted already, and sleeping on.
            tokio::time::sleep_until(wake.into()).await;
        } else {
            tokio::select! {
                () = tokio::time::sleep_until(wake.into()) => {}
                () = cancelled.cancelled() => {}
            }
        }
    }
}

fn read(bytes: &[u8]) -> Option<Subscription> {
    let userdata = number(bytes, 0)?;
    let kind = match bytes.get(8)? {
        0 => Kind::Clock {
            realtime: bytes.get(16..20)? == [0; 4],
            nanoseconds: number(bytes, 24)?,
            absolute: bytes.get(40)? & 1 != 0,
        },
        kind @ (1 | 2) => Kind::Descriptor(*kind),
        _ => return None,
    };
    Some(Subscription { userdata, kind })
}

fn number(bytes: &[u8], place: usize) -> Option<u64> {
    let bytes = bytes.get(place..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// An event without an error.
fn event(subscription: &Subscription) -> [u8; EVENT] {
    let mut event = [0; EVENT];
    let kind = if let Kind::Descriptor(kind) = subscription.kind { kind } else { 0 };
    for (place, byte) in event.iter_mut().zip(subscription.userdata.to_le_bytes().into_iter().chain([0, 0, kind])) {
        *place = byte;
    }
    event
}

/// Writes into the program's memory; false where that is no place in it.
pub(super) fn store(memory: &mut [u8], place: u32, bytes: &[u8]) -> bool {
    let start = place as usize;
    match memory.get_mut(start..start.saturating_add(bytes.len())) {
        Some(room) => {
            room.copy_from_slice(bytes);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_time_of_the_monotonic_clock_is_read() {
        let mut bytes = [0; SUBSCRIPTION];
        bytes[0] = 7;
        bytes[16] = 1;
        bytes[24..32].copy_from_slice(&1_000_u64.to_le_bytes());
        bytes[40] = 1;
        let kind = Kind::Clock { realtime: false, nanoseconds: 1_000, absolute: true };
        assert_eq!(read(&bytes), Some(Subscription { userdata: 7, kind }));
        bytes[8] = 9;
        assert_eq!(read(&bytes), None);
    }

    #[test]
    fn an_event_names_its_subscription() {
        let event = event(&Subscription { userdata: 0x0102, kind: Kind::Descriptor(2) });
        assert_eq!(event[..11], [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    }
}
