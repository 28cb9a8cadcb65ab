//! OpenTelemetry's own environment variables (specification "Environment Variables" and "OTLP Exporter").

use super::ExportSettings;
use std::time::Duration;

/// A variable that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not valid: '{value}' (expected {expected})")]
pub struct EnvironmentError {
    /// The variable.
    pub name: &'static str,
    /// What it says; header values are left out.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl ExportSettings {
    /// Applies what the environment says; `variable` looks one up. A variable for traces goes before the general one.
    pub fn environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let given =
            |name: &'static str| variable(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value));
        let either = |own, general| given(own).or_else(|| given(general));
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
            let expected = "a list such as api-key=secret,tenant=a";
            let error = || EnvironmentError { name, value: "…".into(), expected };
            self.headers.extend(pairs(&value).ok_or_else(error)?);
        }
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
            self.timeout = Duration::from_millis(number(name, value)?);
        }
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION") {
            self.gzip = match value.trim() {
                "gzip" => true,
                "none" => false,
                _ => return Err(EnvironmentError { name, value, expected: "gzip or none" }),
            };
        }
        if let Some((name, value)) = given("OTEL_BSP_SCHEDULE_DELAY") {
            self.delay = Duration::from_millis(number(name, value)?);
        }
        if let Some((name, value)) = given("OTEL_BSP_MAX_QUEUE_SIZE") {
            self.queue_spans = usize::try_from(number(name, value)?).unwrap_or(usize::MAX);
        }
        if let Some((name, value)) = given("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") {
            self.batch = usize::try_from(number(name, value)?).unwrap_or(usize::MAX);
        }
        if let Some((name, value)) = given("OTEL_RESOURCE_ATTRIBUTES") {
            let expected = "a list such as deployment.environment.name=production,team=a";
            let error = || EnvironmentError { name, value: value.clone(), expected };
            self.resource.extend(pairs(&value).ok_or_else(error)?);
        }
        if let Some((_, value)) = given("OTEL_SERVICE_NAME") {
            self.resource.retain(|(name, _)| name != "service.name");
            self.resource.push(("service.name".into(), value));
        }
        Ok(self)
    }
}

fn number(name: &'static str, value: String) -> Result<u64, EnvironmentError> {
    let parsed = value.trim().parse().ok().filter(|number| *number > 0);
    parsed.ok_or(EnvironmentError { name, value, expected: "a whole number above 0" })
}

/// `a=1,b=2`, values percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = Some(name.trim()).filter(|name| !name.is_empty())?;
            Some((name.to_owned(), decode(value.trim())?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<ExportSettings, EnvironmentError> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        ExportSettings::new("http://127.0.0.1:4318/v1/traces").environment(find)
    }

    #[test]
    fn the_environment_is_applied() {
        let got = settings(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "ignored=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=s%20e=cret, tenant=a"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_SCHEDULE_DELAY", ""),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x,team=a"),
            ("OTEL_SERVICE_NAME", "edge"),
        ]);
        let got = got.unwrap().describe("1", "node");
        assert_eq!(got.headers, [("api-key".into(), "s e=cret".into()), ("tenant".into(), "a".into())]);
        assert_eq!((got.timeout.as_millis(), got.gzip, got.queue_spans, got.delay.as_secs()), (2500, true, 10, 1));
        let resource: Vec<_> = got.resource.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(resource, ["team=a", "service.name=edge", "service.version=1", "service.instance.id=node"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=1"),
        ] {
            let error = settings(&[(name, value)]).err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
            assert!(!error.contains("secret'"), "{error}");
        }
    }
}
