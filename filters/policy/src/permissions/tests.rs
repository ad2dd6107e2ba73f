use super::*;

/// A request that keeps what it was asked for.
#[derive(Default)]
struct Request {
    client: Option<&'static str>,
    method: &'static str,
    path: &'static str,
    asked: core::cell::RefCell<Vec<&'static str>>,
}

impl Request {
    fn fact(&self, name: &'static str, value: &'static str) -> Option<&'static [u8]> {
        self.asked.borrow_mut().push(name);
        (!value.is_empty()).then_some(value.as_bytes())
    }
}

impl Facts for Request {
    fn client(&self) -> Option<impl Deref<Target = [u8]>> {
        self.fact("client", self.client.unwrap_or_default())
    }

    fn method(&self) -> Option<impl Deref<Target = [u8]>> {
        self.fact("method", self.method)
    }

    fn path(&self) -> Option<impl Deref<Target = [u8]>> {
        self.fact("path", self.path)
    }

    fn upgrade(&self) -> Option<impl Deref<Target = [u8]>> {
        None::<&[u8]>
    }
}

/// A verdict in short.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Shadow,
    Deny,
    AmbiguousPath,
}

fn verdict(result: Result<Permit, Refusal<'_>>) -> Verdict {
    match result {
        Ok(Permit::Allowed) => Verdict::Allow,
        Ok(Permit::Shadow) => Verdict::Shadow,
        Err(refusal) if refusal.reason == Reason::ClientNotAllowed => Verdict::Deny,
        Err(_) => Verdict::AmbiguousPath,
    }
}

fn permissions(json: &str) -> Permissions {
    let config: PermissionsConfig = serde_json::from_str(json).unwrap();
    Permissions::try_from(&config).unwrap()
}

fn judge(json: &str, client: &'static str, method: &'static str, path: &'static str) -> Verdict {
    let request = Request {
        client: Some(client),
        method,
        path,
        ..Request::default()
    };
    verdict(permissions(json).permit(None, &request))
}

#[test]
fn deny_comes_before_allow_and_nobody_is_allowed_by_default() {
    let some = r#"{"deny":[{"client":["spiffe://a/bad"]}],
        "shadow_deny":[{"client":["spiffe://b/*"]}],
        "allow":[{"client":["spiffe://a/*"]},{"client":["spiffe://b/*"]}]}"#;
    for (rules, client, verdict) in [
        (some, "spiffe://a/web", Verdict::Allow),
        (some, "spiffe://a/bad", Verdict::Deny),
        (some, "spiffe://b/web", Verdict::Shadow),
        (some, "spiffe://c/web", Verdict::Deny),
        (some, "", Verdict::Deny),
        ("{}", "spiffe://a/web", Verdict::Deny),
        (r#"{"allow":[{}]}"#, "", Verdict::Allow),
    ] {
        assert_eq!(judge(rules, client, "GET", "/"), verdict, "{client}");
    }
}

#[test]
fn every_uri_of_a_certificate_counts() {
    let by_service =
        r#"{"deny":[{"client":["spiffe://a/bad"]}],"allow":[{"client":["spiffe://a/*"]}]}"#;
    assert_eq!(
        judge(by_service, "spiffe://a/web,spiffe://a/bad", "", ""),
        Verdict::Deny
    );
    assert_eq!(
        judge(by_service, "spiffe://a/web,kuma://v/1", "", ""),
        Verdict::Allow
    );
    assert_eq!(
        judge(by_service, "spiffe://a/web,spiffe://b/web", "", ""),
        Verdict::Deny
    );
    let by_tags = r#"{"allow":[{"client":["spiffe://a/*","kuma://version/2"]}]}"#;
    assert_eq!(
        judge(by_tags, "spiffe://a/web,kuma://version/2", "", ""),
        Verdict::Allow
    );
    assert_eq!(
        judge(by_tags, "spiffe://a/web,kuma://version/1", "", ""),
        Verdict::Deny
    );
    assert_eq!(judge(by_tags, "spiffe://a/web", "", ""), Verdict::Deny);
}

#[test]
fn an_unknown_client_is_not_let_in_by_a_list_of_those_who_are_denied() {
    let rules = r#"{"deny":[{"client":["spiffe://a/*"]}],"allow":[{}]}"#;
    assert_eq!(judge(rules, "spiffe://b/web", "", ""), Verdict::Allow);
    assert_eq!(judge(rules, "", "", ""), Verdict::Deny);
    assert_eq!(judge(rules, "-", "", ""), Verdict::Deny);
}

#[test]
fn methods_and_paths() {
    let rules = r#"{"deny":[{"paths":["/v1/admin"]}],
        "allow":[{"methods":["GET","HEAD"],"paths":["/v1"]}]}"#;
    for (method, path, verdict) in [
        ("GET", "/v1/users", Verdict::Allow),
        ("HEAD", "/v1", Verdict::Allow),
        ("POST", "/v1/users", Verdict::Deny),
        ("get", "/v1/users", Verdict::Deny),
        ("GET", "/v1/ADMIN/x", Verdict::Deny),
        ("", "/v1/users", Verdict::Deny),
        ("GET", "/v2", Verdict::Deny),
        ("GET", "/v1/admin/x", Verdict::Deny),
        ("GET", "/v1/administrator", Verdict::Allow),
        ("GET", "/v1/%61dmin", Verdict::AmbiguousPath),
        ("GET", "/v1//admin", Verdict::AmbiguousPath),
        ("OPTIONS", "*", Verdict::AmbiguousPath),
        ("CONNECT", "", Verdict::AmbiguousPath),
    ] {
        assert_eq!(judge(rules, "", method, path), verdict, "{method} {path}");
    }
}

#[test]
fn only_what_rules_speak_of_is_asked_for() {
    for (rules, asked) in [
        (r#"{"allow":[{}]}"#, &[][..]),
        (r#"{"allow":[{"client":["spiffe://a/*"]}]}"#, &["client"]),
        (
            r#"{"allow":[{"methods":["GET"]},{"paths":["/"]}]}"#,
            &["method", "path"],
        ),
    ] {
        let request = Request {
            client: Some("spiffe://a/b"),
            method: "GET",
            path: "/",
            ..Request::default()
        };
        assert_eq!(
            permissions(rules).permit(None, &request),
            Ok(Permit::Allowed)
        );
        assert_eq!(*request.asked.borrow(), asked);
    }
    let request = Request::default();
    let rules = permissions(r#"{"allow":[{"client":["spiffe://a/*"]}]}"#);
    let known = Client::new(b"spiffe://a/b");
    assert_eq!(rules.permit(known, &request), Ok(Permit::Allowed));
    assert!(request.asked.borrow().is_empty());
}

#[test]
fn meshes_that_are_named() {
    let rules = permissions(
        r#"{"deny":[{"client":["spiffe://b/x","kuma://c/d"]}],"allow":[{"client":["spiffe://a/*"]},{"client":["spiffe://b*"]}]}"#,
    );
    assert_eq!(rules.meshes(), ["b".into(), "a".into()]);
}

#[test]
fn rules_that_can_match_nothing_are_refused() {
    for (rule, why) in [
        (
            r#"{"client":["web"]}"#,
            "client `web`: it has to begin with `spiffe://` or `kuma://`",
        ),
        (
            r#"{"methods":["get"]}"#,
            "method `get`: a method is written in capital letters, as `GET`",
        ),
        (
            r#"{"paths":["/a/../b"]}"#,
            "path `/a/../b`: the path can be read in more than one way",
        ),
    ] {
        let rule: RuleConfig = serde_json::from_str(rule).unwrap();
        assert_eq!(Rule::try_from(&rule).unwrap_err().to_string(), why);
    }
}
