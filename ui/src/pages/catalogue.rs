//! Which plugin to add.

use leptos::prelude::*;
use serde_json::Value;

use crate::components::{Crumb, empty, heading, loaded};
use crate::entities::by_key;
use crate::page::Page;
use crate::state::{gateway, location};

/// What the bundled plugins are for. Others are listed without words.
const WORDS: [(&str, &str); 44] = [
    ("acl", "Lets in or keeps out groups of Consumers"),
    ("acme", "Gets certificates by itself"),
    ("ai-prompt-decorator", "Adds messages before or after a prompt"),
    ("ai-prompt-guard", "Refuses prompts by pattern"),
    ("ai-prompt-template", "Fills prompts from templates"),
    ("ai-proxy", "One interface to many language models"),
    ("ai-request-transformer", "Has a language model rewrite requests"),
    ("ai-response-transformer", "Has a language model rewrite answers"),
    ("aws-lambda", "Answers with an AWS Lambda function"),
    ("azure-functions", "Answers with an Azure function"),
    ("basic-auth", "Asks for user name and password"),
    ("bot-detection", "Refuses known bots"),
    ("correlation-id", "Gives each request an id to follow it by"),
    ("cors", "Lets browsers call from other origins"),
    ("datadog", "Sends metrics to Datadog"),
    ("file-log", "Writes requests to a file"),
    ("grpc-gateway", "Offers gRPC Services as REST"),
    ("grpc-web", "Offers gRPC Services to browsers"),
    ("hmac-auth", "Checks signatures of requests"),
    ("http-log", "Sends a record of requests to an HTTP server"),
    ("ip-restriction", "Lets in or keeps out addresses"),
    ("jwt", "Checks JSON Web Tokens"),
    ("key-auth", "Asks for an API key"),
    ("ldap-auth", "Asks an LDAP server who it is"),
    ("loggly", "Sends a record of requests to Loggly"),
    ("oauth2", "Gives out and checks OAuth 2.0 tokens"),
    ("opentelemetry", "Sends traces and logs to a collector"),
    ("post-function", "Runs Lua code after other plugins"),
    ("pre-function", "Runs Lua code before other plugins"),
    ("prometheus", "Offers metrics to Prometheus"),
    ("proxy-cache", "Keeps answers and gives them again"),
    ("rate-limiting", "Limits how many requests come in a time"),
    ("redirect", "Sends clients elsewhere"),
    ("request-size-limiting", "Refuses bodies that are too big"),
    ("request-termination", "Answers by itself"),
    ("request-transformer", "Changes requests on their way"),
    ("response-ratelimiting", "Limits by what upstreams say a request cost"),
    ("response-transformer", "Changes answers on their way"),
    ("session", "Keeps a signed-in session in a cookie"),
    ("standard-webhooks", "Checks signatures of webhooks"),
    ("statsd", "Sends metrics to StatsD"),
    ("syslog", "Writes requests to syslog"),
    ("tcp-log", "Sends a record of requests over TCP"),
    ("udp-log", "Sends a record of requests over UDP"),
];

pub fn catalogue() -> AnyView {
    let Some(kind) = by_key("plugins") else { return super::not_found() };
    let (gateway, place) = (gateway(), location());
    let sought = RwSignal::new(String::new());
    let show = move |node: Value| {
        let mut names: Vec<String> =
            node["plugins"]["available_on_server"].as_object().into_iter().flatten().map(|(n, _)| n.clone()).collect();
        names.sort();
        let cards = move || {
            let text = sought.get().to_lowercase();
            let query = place.query.get();
            let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let fitting: Vec<AnyView> = names
                .iter()
                .map(|name| (name, WORDS.iter().find(|(n, _)| n == name).map_or("", |(_, words)| *words)))
                .filter(|(name, words)| name.contains(&text) || words.to_lowercase().contains(&text))
                .map(|(name, words)| {
                    let to = Page::CreatePlugin(name.clone()).with(&query);
                    view! { <li><a href=to><strong>{name.clone()}</strong><span>{words}</span></a></li> }.into_any()
                })
                .collect();
            if fitting.is_empty() {
                return empty("No plugin fits this search.".to_owned(), ().into_any());
            }
            view! { <ul class="cards">{fitting}</ul> }.into_any()
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
