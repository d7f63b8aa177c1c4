use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host;

/// The value the operator granted under a key in the plugin's manifest (`[grants]` `config`). A key set to
/// `""` is set.
pub fn config(key: &str) -> Option<String> {
    look_up(host::config_get, key)
}

/// Tells how far the call is, for who watches the task it runs for: done of total, in whatever unit the
/// plugin likes, and a word on what it does, which may be `""`. A total of 0 says that it is not known.
///
/// Only the latest counts, so it may be told as often as there is news of it; each time costs about
/// what 1,100 instructions do. Where nobody watches, nothing comes of it.
pub fn progress(done: u64, total: u64, message: &str) {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    host::progress(signed(done), signed(total), message);
}

/// The id of the call in progress, a ULID: its caller has it as `Prism-Request-Id`, and the server's log
/// tells it.
pub fn request_id() -> Option<String> {
    look_up(host::call_get, "request_id")
}

/// The name of the handler that was called, that of the default one if the call named none.
pub fn function() -> Option<String> {
    look_up(host::call_get, "function")
}

/// The name the plugin was pushed under.
pub fn plugin() -> Option<String> {
    look_up(host::call_get, "plugin")
}

/// The number of the plugin's version that runs, from 1 on.
pub fn version() -> Option<u64> {
    look_up(host::call_get, "version")?.parse().ok()
}

/// When the server will stop the call in progress, to the millisecond, which it does without warning. It
/// is `None` when there is no deadline.
pub fn deadline() -> Option<SystemTime> {
    parse_time(&look_up(host::call_get, "deadline")?)
}

/// What get copies, however long it is.
fn look_up(get: fn(&str, &mut [u8]) -> i32, key: &str) -> Option<String> {
    let mut value = vec![0; 128];
    loop {
        let length = usize::try_from(get(key, &mut value)).ok()?;
        let fits = length <= value.len();
        value.resize(length, 0);
        if fits {
            return Some(String::from_utf8_lossy(&value).into_owned());
        }
    }
}

/// Reads a time as the host writes it, 2026-03-01T12:00:00.000Z.
fn parse_time(text: &str) -> Option<SystemTime> {
    let form = "0000-00-00T00:00:00.000Z";
    let alike = |(c, f): (u8, u8)| if f == b'0' { c.is_ascii_digit() } else { c == f };
    if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(alike) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = (number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    let since = (days(year, month, day)? * 86_400 + seconds) * 1_000 + number(20, 23)?;
    Some(UNIX_EPOCH + Duration::from_millis(u64::try_from(since).ok()?))
}

/// The days from 1970 on to a date of the Gregorian calendar. The year is taken to begin in March, so that
/// the day a leap year has more is its last: the months before then have 153 days in five.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_host_writes_them() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2000-03-01T00:00:00.000Z", 951_868_800_000),
            ("2026-03-01T12:00:00.250Z", 1_772_366_400_250),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(parse_time(text), Some(UNIX_EPOCH + Duration::from_millis(milliseconds)), "{}", text);
        }
        for text in ["", "2026-03-01", "2026-13-01T12:00:00.000Z", "2026-03-01T12:00:00.000+", "1969-12-31T23:59:59.999Z", "2026-03-01T12:00:00.00\u{e9}"] {
            assert_eq!(parse_time(text), None, "{}", text);
        }
    }
}
