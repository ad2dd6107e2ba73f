use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use serde_json::json;
use tempfile::TempDir;
use tiny_http::{Response, Server};

use super::*;
use crate::run::blame;
use crate::run::discovery::tests::{RESOURCES, bootstrap, split};
use crate::source;

/// How Envoy begins such a line.
const PREFIX: &str = "[2026-11-21 10:00:00.000][1][warning][config] [source/extensions/config_subscription/filesystem/filesystem_subscription_impl.cc:81] Filesystem config update rejected: ";

#[test]
fn the_words_name_what_they_are_about() {
    let dump = json!({"configs": [{"dynamic_listeners": [
        {"name": "edge:HTTP:8080", "active_state": {}},
        {"name": "edge:HTTP:8081", "error_state": {"details": "cannot bind"}},
    ]}]});
    let mut details = BTreeSet::new();
    errors(&dump, &mut details);
    assert_eq!(
        details.into_iter().collect::<Vec<_>>(),
        ["edge:HTTP:8081: cannot bind"]
    );
}

/// The admin interface of an Envoy that refuses the first file that it gets to see, and takes all others.
fn admin(old: &Split, counter: &str, log: &str, dump: &str, words: &Words) -> Admin {
    let server = Server::http("127.0.0.1:0").unwrap();
    let address = server.server_addr().to_ip().unwrap();
    let (counter, log, dump) = (counter.to_owned(), log.to_owned(), dump.to_owned());
    let words = words.clone();
    let versions = old.files.values().map(|file| &file.version);
    let versions = versions.map(|version| format!("version_text: \"{version}\"\n"));
    let versions = versions.collect::<Vec<_>>().concat();
    let asked = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for request in server.incoming_requests() {
            let body = if request.url().starts_with("/stats") {
                let before = asked.fetch_add(1, Ordering::Relaxed) == 0;
                if !before && !log.is_empty() {
                    words.keep(&log);
                }
                format!("{versions}{counter}: {}\n", u64::from(!before))
            } else {
                dump.clone()
            };
            request.respond(Response::from_string(body)).unwrap();
        }
    });
    Admin::new(address)
}

/// Counters and words are those of Envoy 1.40 and of such a change.
#[test]
fn whatever_envoy_refuses_is_put_back_and_leads_to_a_line() {
    let tls = RESOURCES.replace(
        "    - {port: 8080, protocol: HTTP, hostname: foo.example.com}",
        &format!("    - {{port: 8080, protocol: HTTPS, hostname: foo.example.com, tls: {{mode: TERMINATE, certificates: [{{inlineString: {:?}}}]}}}}", pem()),
    );
    let cluster = bootstrap(RESOURCES).static_resources.unwrap().clusters[0]
        .name
        .clone();
    let secret = bootstrap(&tls).static_resources.unwrap().secrets[0]
        .name
        .replace(':', "_");
    let no_dump = "{}";
    let listener = r#"{"dynamic_listeners":[{"name":"edge:HTTP:8080","error_state":{"details":"cannot bind"}}]}"#;
    for (resources, from, to, counter, log, dump, message, line) in [
        (
            RESOURCES,
            "192.0.2.2",
            "192.0.2.3",
            format!("cluster.{cluster}.update_rejected"),
            "malformed IP address: 127.0.0.x",
            no_dump,
            "malformed IP address",
            "- matches",
        ),
        (
            RESOURCES,
            "value: /}",
            "value: /a}",
            "http.edge.rds.edge_HTTP_8080__.update_rejected".to_owned(),
            "no such thing",
            no_dump,
            "no such thing",
            "port: 8080",
        ),
        (
            RESOURCES,
            "foo.example.com",
            "bar.example.com",
            "extension_config_discovery.http_filter.meshgate_edge_HTTP_8080.update_rejected"
                .to_owned(),
            "Unable to create Wasm plugin meshgate",
            no_dump,
            "Unable to create",
            "port: 8080",
        ),
        (
            RESOURCES,
            "192.0.2.1",
            "192.0.2.9",
            "listener_manager.lds.update_rejected".to_owned(),
            "",
            listener,
            "cannot bind",
            "port: 8080",
        ),
        (
            RESOURCES,
            "value: /}",
            "value: /a}",
            "http.edge.rds.edge_HTTP_8080__.update_rejected".to_owned(),
            "",
            no_dump,
            "says no more than its counters",
            "port: 8080",
        ),
        (
            &tls,
            "value: /}",
            "value: /a}",
            format!("sds.{secret}.update_rejected"),
            "Failed to load certificate chain from <inline>",
            no_dump,
            "Failed to load",
            "port: 8080",
        ),
    ] {
        assert!(resources.contains(from), "{from}");
        let changed = resources.replacen(from, to, 1);
        let refused = refuse(resources, &changed, &counter, log, dump);
        let (sources, _, _) = source::read_text("edge.yaml", &changed);
        let finding = blame::of_change(&refused, &bootstrap(&changed).encode_to_vec(), &sources);
        let said = &finding.message;
        assert!(said.contains(message), "{to}: {said}");
        let (number, _) = sources.line_column(finding.span.expect(to));
        let text = changed.lines().nth(number - 1).unwrap();
        assert!(text.contains(line), "{to}: {number}: {text}");
    }
}

/// What an Envoy refuses a change with; the files are those of before then.
fn refuse(before: &str, after: &str, counter: &str, log: &str, dump: &str) -> Refused {
    let (old, new) = (split(bootstrap(before)), split(bootstrap(after)));
    let folder = TempDir::new().unwrap();
    let directory = Directory::lock(folder.path().to_owned()).unwrap();
    directory.write_all(&old).unwrap();
    let words = Words::default();
    let log = if log.is_empty() {
        String::new()
    } else {
        format!("{PREFIX}{log}")
    };
    let running = Running {
        directory: &directory,
        admin: &admin(&old, counter, &log, dump, &words),
        words: &words,
        stop: &Stop::default(),
    };
    let Err(NotTaken::Refused(refused)) = swap(running, &old, &new) else {
        panic!("it is taken");
    };
    for (path, file) in &old.files {
        let now = fs::read(directory.live().join(path)).unwrap();
        assert_eq!(now, file.bytes, "{}", path.display());
    }
    refused
}

fn pem() -> String {
    let pair = crate::certs::self_signed(
        crate::certs::Role::Server,
        crate::certs::KeyType::Ecdsa,
        &["foo.example.com".to_owned()],
    )
    .unwrap();
    format!("{}{}", pair.key, pair.certificate)
}
