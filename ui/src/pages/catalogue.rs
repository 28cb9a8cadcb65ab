//! Which plugin to add.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{Crumb, empty, heading, loaded};
use crate::entities::by_key;
use crate::order::sort_by;
use crate::page::Page;
use crate::state::{gateway, location};
use crate::texts::Text;

/// What the bundled plugins are for. Others come last, without words.
const GROUPS: [(Text, &[(&str, Text)]); 7] = [
    (
        text!("Authentication"),
        &[
            ("basic-auth", text!("Asks for user name and password")),
            ("hmac-auth", text!("Checks signatures of requests")),
            ("jwt", text!("Checks JSON Web Tokens")),
            ("key-auth", text!("Asks for an API key")),
            ("ldap-auth", text!("Asks an LDAP server who it is")),
            ("oauth2", text!("Gives out and checks OAuth 2.0 tokens")),
            ("session", text!("Keeps a signed-in session in a cookie")),
        ],
    ),
    (
        text!("Security"),
        &[
            ("acl", text!("Lets in or keeps out groups of Consumers")),
            ("acme", text!("Gets certificates by itself")),
            ("bot-detection", text!("Refuses known bots")),
            ("cors", text!("Lets browsers call from other origins")),
            ("ip-restriction", text!("Lets in or keeps out addresses")),
            ("standard-webhooks", text!("Checks signatures of webhooks")),
        ],
    ),
    (
        text!("Traffic control"),
        &[
            ("proxy-cache", text!("Keeps answers and gives them again")),
            ("rate-limiting", text!("Limits how many requests come in a time")),
            ("redirect", text!("Sends clients elsewhere")),
            ("request-size-limiting", text!("Refuses bodies that are too big")),
            ("request-termination", text!("Answers by itself")),
            ("response-ratelimiting", text!("Limits by what upstreams say a request cost")),
        ],
    ),
    (
        text!("Transformation"),
        &[
            ("correlation-id", text!("Gives each request an id to follow it by")),
            ("grpc-gateway", text!("Offers gRPC Services as REST")),
            ("grpc-web", text!("Offers gRPC Services to browsers")),
            ("request-transformer", text!("Changes requests on their way")),
            ("response-transformer", text!("Changes answers on their way")),
        ],
    ),
    (
        text!("Serverless"),
        &[
            ("aws-lambda", text!("Answers with an AWS Lambda function")),
            ("azure-functions", text!("Answers with an Azure function")),
            ("post-function", text!("Runs Lua code after other plugins")),
            ("pre-function", text!("Runs Lua code before other plugins")),
        ],
    ),
    (
        text!("Monitoring and logs"),
        &[
            ("datadog", text!("Sends metrics to Datadog")),
            ("file-log", text!("Writes requests to a file")),
            ("http-log", text!("Sends a record of requests to an HTTP server")),
            ("loggly", text!("Sends a record of requests to Loggly")),
            ("opentelemetry", text!("Sends traces and logs to a collector")),
            ("prometheus", text!("Offers metrics to Prometheus")),
            ("statsd", text!("Sends metrics to StatsD")),
            ("syslog", text!("Writes requests to syslog")),
            ("tcp-log", text!("Sends a record of requests over TCP")),
            ("udp-log", text!("Sends a record of requests over UDP")),
            ("zipkin", text!("Sends traces to Zipkin")),
        ],
    ),
    (
        text!("AI"),
        &[
            ("ai-prompt-decorator", text!("Adds messages before or after a prompt")),
            ("ai-prompt-guard", text!("Refuses prompts by pattern")),
            ("ai-prompt-template", text!("Fills prompts from templates")),
            ("ai-proxy", text!("One interface to many language models")),
            ("ai-request-transformer", text!("Has a language model rewrite requests")),
            ("ai-response-transformer", text!("Has a language model rewrite answers")),
        ],
    ),
];

/// The group of the others.
const OTHERS: Text = text!("Others");

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
        sort_by(&mut names, Ord::cmp);
        let cards = move || {
            let text = sought.get().to_lowercase();
            let query = place.query.get();
            let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let card = |name: &str, words: &'static str| {
                let to = Page::CreatePlugin(name.to_owned()).with(&query);
                let times = count(name);
                let used = (times > 0).then(|| view! { <span class="badge">{t!("{times} in use", times)}</span> });
                view! { <li><a href=to><strong>{name.to_owned()}</strong><span>{words}</span>{used}</a></li> }
            };
            let groups: Vec<AnyView> = GROUPS
                .iter()
                .map(|(group, _)| *group)
                .chain([OTHERS])
                .filter_map(|group| {
                    let fitting = names.iter().map(|name| (name, told(name))).filter(|(name, (of, words))| {
                        *of == group
                            && [name.as_str(), of.get(), words].iter().any(|part| part.to_lowercase().contains(&text))
                    });
                    let cards: Vec<_> = fitting.map(|(name, (_, words))| card(name, words)).collect();
                    (!cards.is_empty()).then(|| {
                        view! { <section><h2>{group.get()}</h2><ul class="cards">{cards}</ul></section> }.into_any()
                    })
                })
                .collect();
            if groups.is_empty() {
                return empty(t!("No plugin fits this search.").to_owned(), ().into_any());
            }
            groups.into_any()
        };
        cards.into_any()
    };
    let crumbs = vec![Crumb { text: kind.many().to_owned(), page: Page::List(kind) }];
    view! {
        {heading(t!("Add a plugin").to_owned(), crumbs, kind.about(), ().into_any())}
        <div class="filters" role="search">
            <div>
                <label for="catalogue-search">{t!("Search")}</label>
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
fn told(name: &str) -> (Text, &'static str) {
    let known = |(group, list): &'static (Text, &[(&str, Text)])| {
        list.iter().find(|(of, _)| *of == name).map(|(_, words)| (*group, words.get()))
    };
    GROUPS.iter().find_map(known).unwrap_or((OTHERS, ""))
}
