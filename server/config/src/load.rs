//! From sources to settings.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::checker::Checker;
use crate::files::{Disk, Files};
use crate::given::Collected;
use crate::problem::{Notice, Origin, Problems};
use crate::settings::{Settings, Surroundings};
use crate::values::Values;

/// Where settings come from.
pub struct Sources<'a> {
    /// The file named by `-c`; none: `/etc/kong/kong.conf`, else `/etc/kong.conf`, else no file.
    pub file: Option<PathBuf>,
    /// The whole environment, since references may name any variable.
    pub environment: HashMap<String, String>,
    /// What the command line sets, such as `prefix`; it comes before everything else.
    pub overrides: Vec<(String, String)>,
    /// Where files are read.
    pub files: &'a dyn Files,
}

impl Sources<'static> {
    /// This process's environment and this machine's files.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
        Self {
            file,
            environment: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            overrides: Vec::new(),
            files: &Disk,
        }
    }
}

impl Sources<'_> {
    /// Sets a property before everything else.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.overrides.push((name.to_owned(), value.into()));
        self
    }
}

/// What was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is worth a log line.
    pub notices: Vec<Notice>,
    /// Every property as it was read; see [`Loaded::configuration`] for what `GET /` shows of them.
    pub values: Values,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Whether a node with these settings would be another one: a property, or what is in a file that one of them names.
    pub fn differs(&self, other: &Self) -> bool {
        let files = |loaded: &Self| {
            let Settings { tls, admin_tls, status_tls, manager_tls, outgoing_tls, proxying, .. } = &loaded.settings;
            let pairs = [tls, admin_tls, status_tls, manager_tls].map(|tls| (tls.pairs.clone(), tls.client_ca.clone()));
            (
                pairs,
                outgoing_tls.trusted.clone(),
                outgoing_tls.client.clone(),
                format!("{:?}", proxying.error_templates),
            )
        };
        let values = |loaded: &'_ Self| -> Vec<_> {
            loaded.values.iter().map(|(name, entry)| (name.to_owned(), entry.value.clone())).collect()
        };
        values(self) != values(other) || files(self) != files(other)
    }
}

/// Reads everything and checks everything; all problems are told at once.
///
/// # Errors
/// Every reason for which the configuration is refused.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, Problems> {
    let mut collected = Collected::default();
    collected.read_file(sources.file.as_deref(), sources.files);
    collected.read_environment(&sources.environment, sources.files);
    collected.read_overrides(&sources.overrides);
    let values = Values::resolve(&mut collected, &sources.environment);
    let variable = |name: &str| sources.environment.get(name).map(String::as_str);
    let around = Surroundings {
        otlp_traces: variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        otlp: variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
    };
    let mut checker = Checker::new(&values, sources.files);
    let settings = Settings::read(&mut checker, &around);
    let Checker { problems, notices, .. } = checker;
    collected.problems.extend(problems);
    if !collected.problems.is_empty() {
        // In the order a person would mend them: no place, then files by line, then variables by name.
        collected.problems.sort_by_key(|p| match &p.origin {
            Origin::Default => (0, String::new(), 0),
            Origin::File { path, line } => (1, path.display().to_string(), *line),
            other => (2, other.to_string(), 0),
        });
        let mut told = Vec::with_capacity(collected.problems.len());
        for problem in collected.problems {
            if !told.contains(&problem) {
                told.push(problem);
            }
        }
        return Err(Problems(told));
    }
    let mut all = collected.notices;
    all.extend(values.notices());
    for notice in notices {
        if !all.contains(&notice) {
            all.push(notice);
        }
    }
    Ok(Loaded { settings, notices: all, values, file: collected.file })
}
