//! Severities of syslog, and which a request has.

use schema::Schema;
use serde::Deserialize;

/// RFC 5424 §6.2.1, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// 7
    Debug,
    /// 6
    Info,
    /// 5
    Notice,
    /// 4
    Warning,
    /// 3
    Err,
    /// 2
    Crit,
    /// 1
    Alert,
    /// 0
    Emerg,
}

impl Severity {
    /// Its number; smaller is worse.
    pub fn number(self) -> u8 {
        7 - self as u8
    }
}

/// The severities that options give to requests.
#[derive(Debug)]
pub struct Severities {
    /// What is sent at least.
    pub level: Severity,
    /// Of requests that went well.
    pub successful: Severity,
    /// Of those with a status from 400.
    pub client_errors: Severity,
    /// Of those with a status from 500.
    pub server_errors: Severity,
}

impl Severities {
    /// The severity of a request; `None` where it is not sent.
    pub fn of(&self, status: u16) -> Option<Severity> {
        let severity = match status {
            500.. => self.server_errors,
            400.. => self.client_errors,
            _ => self.successful,
        };
        Some(severity).filter(|severity| *severity >= self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard() {
        use Severity::{Alert, Crit, Debug, Emerg, Err, Info, Notice, Warning};
        let all = [Emerg, Alert, Crit, Err, Warning, Notice, Info, Debug];
        assert_eq!(all.map(Severity::number), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_status_decides_and_the_level_bounds() {
        let severities = Severities {
            level: Severity::Notice,
            successful: Severity::Info,
            client_errors: Severity::Notice,
            server_errors: Severity::Crit,
        };
        let of = |status| severities.of(status);
        assert_eq!(
            [200, 404, 499, 500].map(of),
            [None, Some(Severity::Notice), Some(Severity::Notice), Some(Severity::Crit)]
        );
    }
}
