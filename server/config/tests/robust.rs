//! Whatever the input is, the answer is settings or problems.

mod common;

use std::collections::HashMap;

use common::Memory;
use config::{Sources, load, table};
use proptest::prelude::*;

fn names() -> Vec<String> {
    let mut names: Vec<String> = table::all().map(|(p, _)| p.name.to_owned()).collect();
    names.extend(["nginx_http_log_format", "vault_env_prefix", "pluginserver_a_socket", "nonsense"].map(str::to_owned));
    names
}

/// Text that looks like a value, and text that does not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[-0-9a-z.,:/\\[\\]{}=# ]{0,40}",
        "(0\\.0\\.0\\.0|\\[::\\]|unix:/x|\\*):[0-9]{1,6}( (ssl|http2|udp|backlog=[0-9]{0,12}|so_keepalive=[0-9ms:]{0,8}|off)){0,3}",
        "\\{vault://[a-z]{0,4}/?[a-z%0-9/]{0,8}[?#]?[a-z=0-9]{0,8}\\}",
        "-?[0-9]{1,25}(\\.[0-9]{1,5})?(e[0-9]{1,4})?[kmgs]?",
        Just("off".to_owned()),
        Just("é,ß".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn load_never_panics(
        file in prop::collection::vec((prop::sample::select(names()), value()), 0..8),
        env in prop::collection::vec((prop::sample::select(names()), value(), any::<bool>()), 0..8),
        noise in "(?s).{0,80}",
    ) {
        let mut text: String = file.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        text.push_str(&noise);
        let files = Memory([("/etc/kong/kong.conf".into(), text)].into());
        let environment: HashMap<String, String> = env
            .into_iter()
            .map(|(name, value, ours)| {
                (format!("{}_{}", if ours { "SILVERBACK" } else { "KONG" }, name.to_uppercase()), value)
            })
            .collect();
        let sources = Sources { file: None, environment, overrides: vec![], files: &files };
        match load(&sources) {
            Ok(loaded) => {
                prop_assert!(!loaded.configuration(["key-auth"]).is_empty());
                let shown = format!("{:?}", loaded.settings);
                prop_assert!(!shown.is_empty());
                let _ = loaded.environment_file();
            }
            Err(problems) => {
                prop_assert!(!problems.0.is_empty());
                prop_assert!(problems.0.iter().all(|p| !p.message.is_empty()));
            }
        }
    }

    #[test]
    fn units_never_panic(text in ".{0,30}") {
        let _ = (config::size(&text), config::time(&text));
    }
}
