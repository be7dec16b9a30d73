//! Points in time, to the millisecond, UTC.

use super::text::Invalid;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// 9999-12-31T23:59:59.999Z: the last moment that RFC 3339 can write.
const LAST_MILLIS: i64 = 253_402_300_799_999;

const WIRE: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A moment as whole milliseconds since 1970-01-01T00:00:00Z, between that moment and the end of the year 9999.
/// Stored as an integer, so that both databases sort and compare it alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` after the epoch; what lies outside the range of the type becomes its nearest end.
    pub const fn from_unix_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > LAST_MILLIS {
            Self(LAST_MILLIS)
        } else {
            Self(millis)
        }
    }

    /// The moment `seconds` after the epoch (NumericDate of RFC 7519).
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_unix_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The last whole second before or at this moment.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }

    /// The moment `by` later.
    pub fn after(self, by: Duration) -> Self {
        Self::from_unix_millis(self.0.saturating_add(millis(by)))
    }

    /// The moment `by` earlier.
    pub fn before(self, by: Duration) -> Self {
        Self::from_unix_millis(self.0.saturating_sub(millis(by)))
    }

    /// How long it is from `earlier` to this moment; zero if `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The calendar month in UTC as `YYYYMM`: what monthly quotas count by.
    pub fn month(self) -> i32 {
        let date = self.date_time();
        date.year().saturating_mul(100).saturating_add(i32::from(u8::from(date.month())))
    }

    fn date_time(self) -> OffsetDateTime {
        let nanos = i128::from(self.0).saturating_mul(1_000_000);
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.date_time().format(WIRE).map_err(|_| std::fmt::Error)?)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Invalid;

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off, and what lies outside the range of
    /// the type becomes its nearest end: it compares alike.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let at = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| Invalid::new("must be a time of RFC 3339, such as `2026-11-24T20:45:00Z`"))?;
        let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
        Ok(Self::from_unix_millis(i64::try_from(millis).unwrap_or(LAST_MILLIS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_three_digits_of_milliseconds_always() {
        assert_eq!(Timestamp::from_unix_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_millis(1_764_017_100_007).to_string(), "2025-11-24T20:45:00.007Z");
        assert_eq!(Timestamp::from_unix_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn reads_offsets_and_cuts_off_what_is_finer() {
        let at: Timestamp = "2025-11-24T22:45:00.0079999+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2025-11-24T20:45:00.007Z");
    }

    #[test]
    fn times_beyond_the_range_become_its_ends() {
        for text in ["1969-12-31T23:59:59Z", "0758-11-15T04:41:51.9Z", "0000-01-01T00:00:00+23:59"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), "1970-01-01T00:00:00.000Z", "{text}");
        }
        let text = "9999-12-31T23:59:59-01:00";
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["", "2025-11-24", "2025-11-24 20:45:00", "1764017100", "2025-13-01T00:00:00Z"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn months_are_those_of_utc() {
        assert_eq!("2026-01-01T00:30:00+01:00".parse::<Timestamp>().unwrap().month(), 202_512);
    }
}
