use crate::host;

/// How much a line of the log matters, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Debug = 0,
    Info = 1,
    Warn = 2,
    Error = 3,
}

/// Writes one line to the call's log: the caller sees it where the call fails, and who watches the task that
/// it runs for. It needs no newline; past 4,096 bytes it is cut. [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and
/// [`error!`](crate::error) take a format.
pub fn log(level: Level, message: &str) {
    host::log(level as i32, message);
}

/// Logs a line of level debug, with a format as of [`format!`].
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log($crate::Level::Debug, &::std::format!($($message)*)) };
}

/// Logs a line of level info, with a format as of [`format!`].
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log($crate::Level::Info, &::std::format!($($message)*)) };
}

/// Logs a line of level warn, with a format as of [`format!`].
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log($crate::Level::Warn, &::std::format!($($message)*)) };
}

/// Logs a line of level error, with a format as of [`format!`].
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log($crate::Level::Error, &::std::format!($($message)*)) };
}
