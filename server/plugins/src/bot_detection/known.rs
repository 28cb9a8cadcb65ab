//! Robots and download libraries that are refused without being named in a configuration.

use regex::bytes::Regex;
use std::sync::LazyLock;

/// What the User-Agent of a known robot has in it. Case counts.
const KNOWN: &[&str] = &[
    // Whatever calls itself a spider, a crawler, a scraper or a robot; Cubot makes telephones.
    "[Ss][Pp][Ii][Dd][Ee][Rr]",
    "[Cc][Rr][Aa][Ww][Ll]",
    "[Ss]crape",
    "[^C][^Uu][Bb]ot",
    r"(?:[Aa]rchiver|[Ii]ndexer|[Bb]ot)[/ ]\d",
    // Libraries and tools.
    "Apache-HttpClient|Google-HTTP-Java-Client|PostmanRuntime|Go-http-client|scalaj-http|http%20client|Python-urllib",
    "HttpMonitor|TLSProber|WinHTTP|JNLP|okhttp|aihttp|reqwest|axios|unirest-(?:java|python|ruby|nodejs|php|net)",
    // Previews and pictures of pages.
    r"facebookexternalhit/\d|Google.*/\+/web/snippet|BingPreview|WhatsApp|Slack-ImgProxy|URL2PNG|[Tt]humb[Ss]hots",
    "PagePeeker|Web-sniffer|WebThumb|PagesInventory|favicon|Netvibes|Google SketchUp",
    // Search engines and archives.
    r"AdsBot-Google|AppEngine-Google|Mediapartners-Google|gsa-crawler|\bYeti\b|Yandex\w+|Yahoo! Slurp|Slurp|YahooSeeker",
    r"Yahoo[a-z]*Seeker|ia_archiver|InternetArchive|archive.*?\.org_bot|archiver|heritrix|Nutch|larbin|htdig|lycos",
    r"altavista|Ask Jeeves|ichiro|ICC-Crawler|Mail\.RU_Bot|WASALive.Bot|boitho\.com-dc|gigabot|furlbot|findlinks",
    r"masidani_bot|msnbot|msrbot|yacy(?:bot)?|ZyBorg|Wotbox|Vagabondo|^Zao|^voyager|^vortex|VoilaBot|scooter|seekbot",
    r"netresearch|mozDex|MJ12bot|Pompos|holmes|grub-client|gonzo1|Daumoa|Flamingo_SearchEngine|KaloogaBot|50\.nu",
    r"www\.almaden\.ibm\.com|semanticdiscovery|searchsight|ObjectsSearch|Peeplo Screenshot Bot|PlantyNet_WebRobot",
    r"(?:008|Altresium|Argus|BaiduMobaider|BoardReader|DNSGroup|DataparkSearch|EDI|Goodzer|Grub|INGRID|Infohelfer)/\d",
    r"(?:LOOQ|PathDefender|Peew|PostPost|Steeler|VSE|WebCrunch|WebZIP|Y!J-BR[A-Z]|envolk|sproose|wminer)/\d",
    r"(?:Axtaris|fetchurl|Isara|ShopSalad|Tailsweep)[ \-]\d|MSIE \d+\.\d+(?:[a-z]\d?)?;.* MSIECrawler",
    // Feed readers, link checkers, monitors, and the rest.
    "Aboundex|Accoona-[A-Za-z]+-Agent|BlogBridge|Bloglovin|BotSeer|BUbiNG|Catchpoint|[Cc]harlotte|Checklinks|clumboot",
    r"Comodo HTTP\(S\)|CRAWL-E|Feedbin|Genieo|GomezAgent|HiddenMarket|HooWWWer|Icarus6j|IconSurf|IlTrovatore|InfuzApp",
    "Kraken|Kurzor|LEIA|LinkAider|Llaut|mogimogi|NewsGator|^NING|Nymesis|Orbiter|OOZBOT|PaxleFramework|Pingdom",
    "Read%20Later|Reaper|RedCarpet|Retreiver|Riddler|Rival IQ|Scrapy|Scrubby|Simpy|SimplePie|SEOstats|SimpleRSS|SiteCon",
    r"snappy|Squrl Java|TheUsefulbot|Votay|WeSEE:[A-Za-z]+|WhatWeb|\bWIRE\b|WordPress|Xenu(?:.s)? Link Sleuth",
    "YottaaMonitor|Yowedo|ZooShot",
];

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = format!("(?-u:{})", KNOWN.join("|"));
    Regex::new(&text).inspect_err(|error| tracing::error!("the list of known robots: {error}")).ok()
});

/// Whether a User-Agent is that of a known robot.
pub(super) fn is_known(agent: &[u8]) -> bool {
    PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_are_known_and_people_are_not() {
        assert!(PATTERN.is_some());
        for agent in [
            "Twitterbot/1.0",
            "facebookexternalhit/1.1",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot-Image/1.0",
            "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            "DuckDuckBot/1.0; (+http://duckduckgo.com/duckduckbot.html)",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Scrapy/2.11",
            "ia_archiver (+http://www.alexa.com/site/help/webmasters)",
            "Apache-HttpClient/4.5.1 (Java/1.8.0)",
            "Go-http-client/1.1",
            "Python-urllib/3.11",
            "okhttp/4.9.0",
            "axios/1.6.2",
        ] {
            assert!(is_known(agent.as_bytes()), "{agent}");
        }
        for agent in [
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 5.1; CUBOT X9 Build/LMY47I) AppleWebKit/537.36 Chrome/51.0.2704.81 Mobile Safari",
            "curl/8.5.0",
            "my-own-client",
            "Wget/1.21",
            "python-requests/2.31",
            "helper/1",
            "foo",
            "",
        ] {
            assert!(!is_known(agent.as_bytes()), "{agent}");
        }
    }
}
