//! Which plugin to add.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{Crumb, empty, heading, loaded};
use crate::entities::by_key;
use crate::page::Page;
use crate::state::{gateway, location};

/// What the bundled plugins are for. Others come last, without words.
const GROUPS: [(&str, &[(&str, &str)]); 7] = [
    (
        "Authentication",
        &[
            ("basic-auth", "Asks for user name and password"),
            ("hmac-auth", "Checks signatures of requests"),
            ("jwt", "Checks JSON Web Tokens"),
            ("key-auth", "Asks for an API key"),
            ("ldap-auth", "Asks an LDAP server who it is"),
            ("oauth2", "Gives out and checks OAuth 2.0 tokens"),
            ("session", "Keeps a signed-in session in a cookie"),
        ],
    ),
    (
        "Security",
        &[
            ("acl", "Lets in or keeps out groups of Consumers"),
            ("acme", "Gets certificates by itself"),
            ("bot-detection", "Refuses known bots"),
            ("cors", "Lets browsers call from other origins"),
            ("ip-restriction", "Lets in or keeps out addresses"),
            ("standard-webhooks", "Checks signatures of webhooks"),
        ],
    ),
    (
        "Traffic control",
        &[
            ("proxy-cache", "Keeps answers and gives them again"),
            ("rate-limiting", "Limits how many requests come in a time"),
            ("redirect", "Sends clients elsewhere"),
            ("request-size-limiting", "Refuses bodies that are too big"),
            ("request-termination", "Answers by itself"),
            ("response-ratelimiting", "Limits by what upstreams say a request cost"),
        ],
    ),
    (
        "Transformation",
        &[
            ("correlation-id", "Gives each request an id to follow it by"),
            ("grpc-gateway", "Offers gRPC Services as REST"),
            ("grpc-web", "Offers gRPC Services to browsers"),
            ("request-transformer", "Changes requests on their way"),
            ("response-transformer", "Changes answers on their way"),
        ],
    ),
    (
        "Serverless",
        &[
            ("aws-lambda", "Answers with an AWS Lambda function"),
            ("azure-functions", "Answers with an Azure function"),
            ("post-function", "Runs Lua code after other plugins"),
            ("pre-function", "Runs Lua code before other plugins"),
        ],
    ),
    (
        "Monitoring and logs",
        &[
            ("datadog", "Sends metrics to Datadog"),
            ("file-log", "Writes requests to a file"),
            ("http-log", "Sends a record of requests to an HTTP server"),
            ("loggly", "Sends a record of requests to Loggly"),
            ("opentelemetry", "Sends traces and logs to a collector"),
            ("prometheus", "Offers metrics to Prometheus"),
            ("statsd", "Sends metrics to StatsD"),
            ("syslog", "Writes requests to syslog"),
            ("tcp-log", "Sends a record of requests over TCP"),
            ("udp-log", "Sends a record of requests over UDP"),
            ("zipkin", "Sends traces to Zipkin"),
        ],
    ),
    (
        "AI",
        &[
            ("ai-prompt-decorator", "Adds messages before or after a prompt"),
            ("ai-prompt-guard", "Refuses prompts by pattern"),
            ("ai-prompt-template", "Fills prompts from templates"),
            ("ai-proxy", "One interface to many language models"),
            ("ai-request-transformer", "Has a language model rewrite requests"),
            ("ai-response-transformer", "Has a language model rewrite answers"),
        ],
    ),
];

/// The group of the others.
const OTHERS: &str = "Others";

pub fn catalogue() -> AnyView {
    let Some(kind) = by_key("plugins") else { return super::not_found() };
    let (gateway, place) = (gateway(), location());
    let sought = RwSignal::new(String::new());
    let used = load(move || {
        gateway.track_writes();
        async move { gateway.get("plugins?size=1000").await }
    });
    // How often each is used, as far as one page tells.
    let count = move |name: &str| {
        used.with(|used| {
            let rows = used.ready().and_then(|page| page["data"].as_array());
            rows.into_iter().flatten().filter(|plugin| plugin["name"] == name).count()
        })
    };
    let show = move |node: Value| {
        let mut names: Vec<String> =
            node["plugins"]["available_on_server"].as_object().into_iter().flatten().map(|(n, _)| n.clone()).collect();
        names.sort();
        let cards = move || {
            let text = sought.get().to_lowercase();
            let query = place.query.get();
            let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let card = |name: &str, words: &'static str| {
                let to = Page::CreatePlugin(name.to_owned()).with(&query);
                let times = count(name);
                let used = (times > 0).then(|| view! { <span class="badge">{format!("{times} in use")}</span> });
                view! { <li><a href=to><strong>{name.to_owned()}</strong><span>{words}</span>{used}</a></li> }
            };
            let groups: Vec<AnyView> = GROUPS
                .iter()
                .map(|(group, _)| *group)
                .chain([OTHERS])
                .filter_map(|group| {
                    let fitting = names.iter().map(|name| (name, told(name))).filter(|(name, (of, words))| {
                        *of == group
                            && [name.as_str(), of, words].iter().any(|part| part.to_lowercase().contains(&text))
                    });
                    let cards: Vec<_> = fitting.map(|(name, (_, words))| card(name, words)).collect();
                    (!cards.is_empty())
                        .then(|| view! { <section><h2>{group}</h2><ul class="cards">{cards}</ul></section> }.into_any())
                })
                .collect();
            if groups.is_empty() {
                return empty("No plugin fits this search.".to_owned(), ().into_any());
            }
            groups.into_any()
        };
        cards.into_any()
    };
    let crumbs = vec![Crumb { text: kind.many.to_owned(), page: Page::List(kind) }];
    view! {
        {heading("Add a plugin".to_owned(), crumbs, kind.about, ().into_any())}
        <div class="filters" role="search">
            <div>
                <label for="catalogue-search">"Search"</label>
                <input
                    id="catalogue-search"
                    type="search"
                    on:input=move |event| sought.set(event_target_value(&event))
                />
            </div>
        </div>
        {loaded(gateway.node, show)}
    }
    .into_any()
}

/// Group and words of a plugin.
fn told(name: &str) -> (&'static str, &'static str) {
    let known = |(group, list): &'static (&str, &[(&str, &str)])| {
        list.iter().find(|(of, _)| *of == name).map(|(_, words)| (*group, *words))
    };
    GROUPS.iter().find_map(known).unwrap_or((OTHERS, ""))
}
